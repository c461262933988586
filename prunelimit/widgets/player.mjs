// What moves by itself: playing through states, guided steps, and samples that fall in slices.
import { element } from "./controls.mjs";
import { fromPosition, toPosition } from "./words.mjs";

const TWEEN_MS = 450;
const REST_MS = 650;
const SLICE_MS = 6; // of each frame: the rest is the reader's

/** Whether the reader has asked for pages that stand still. */
export function wantsStillness() {
  return Boolean(window.matchMedia && window.matchMedia("(prefers-reduced-motion: reduce)").matches);
}

/** Values on the way from one state to another: sliders glide in their own scale, the rest jumps at once. */
export function between(controls, from, to, share) {
  const found = {};
  for (const control of controls) {
    if (!(control.key in to)) continue;
    const glides = control.kind === "slider" && share < 1;
    const [start, end] = [from[control.key], to[control.key]];
    found[control.key] = glides
      ? fromPosition(control, toPosition(control, start) * (1 - share) + toPosition(control, end) * share)
      : end;
  }
  return found;
}

/** Go to `values` in a glide, or at once for readers who want stillness; then call `after`. */
export function glide(view, values, after = () => {}) {
  cancelAnimationFrame(view.glideFrame);
  const from = { ...view.state };
  const began = performance.now();
  const length = wantsStillness() ? 0 : TWEEN_MS;
  const step = (now) => {
    const share = length ? Math.min(1, (now - began) / length) : 1;
    const eased = share * share * (3 - 2 * share);
    view.set(between(view.controls, from, values, share < 1 ? eased : 1));
    if (share < 1) view.glideFrame = requestAnimationFrame(step);
    else after();
  };
  view.glideFrame = requestAnimationFrame(step);
}

/** Play, pause and step through the states that the widget names. */
export function buildPlayer(view) {
  if (!view.spec.play) return "";
  const player = { at: -1, playing: false, timer: 0 };
  view.player = player;
  const button = element("button", { type: "button", "data-action": "play", class: "pl-play" }, "");
  const show = () => {
    button.textContent = player.playing ? "❚❚ Pause" : `▶ ${view.spec.play.label}`;
    button.setAttribute("aria-pressed", String(player.playing));
  };
  const states = () => view.spec.play.states(view.state, view.data);
  player.pause = () => {
    player.playing = false;
    clearTimeout(player.timer);
    show();
  };
  const advance = (after) => {
    player.at = (player.at + 1) % states().length;
    glide(view, states()[player.at], after);
  };
  const loop = () => {
    if (!player.playing) return;
    if (player.at === states().length - 1) {
      player.pause();
      return;
    }
    player.timer = setTimeout(() => advance(loop), REST_MS);
  };
  button.addEventListener("click", () => {
    if (player.playing) return player.pause();
    player.playing = true;
    show();
    if (player.at === states().length - 1) player.at = -1;
    return advance(loop);
  });
  const step = element("button", { type: "button", "data-action": "step-through", onclick: () => { player.pause(); advance(); } }, "Step");
  show();
  return element("div", { class: "pl-player" }, button, step);
}

/** Three to six sentences with Next, each of which sets a state; free play after them, or a link. */
export function buildSteps(view) {
  const steps = view.model.get("_steps") || [];
  if (!steps.length) return "";
  let at = 0, linked = false;
  const words = element("p", { class: "pl-step-words", "aria-live": "polite" });
  const back = element("button", { type: "button", "data-action": "back" }, "Back");
  const next = element("button", { type: "button", "data-action": "next" }, "Next");
  const box = element("div", { class: "pl-steps", role: "group", "aria-label": "Guided steps" }, words, element("div", { class: "pl-step-buttons" }, back, next));
  const show = () => {
    const free = linked ? "A link has set what you see. Move it yourself, or take the steps." : "Now move it yourself.";
    words.textContent = at < steps.length ? `${at + 1} of ${steps.length}. ${steps[at].text}` : free;
    back.disabled = at === 0;
    next.textContent = at < steps.length - 1 ? "Next" : at < steps.length ? "Play freely" : linked ? "Steps" : "Again";
    box.dataset.step = at;
  };
  const go = (where) => {
    at = where > steps.length ? 0 : Math.max(0, where);
    linked = false;
    if (at < steps.length) glide(view, view.target(steps[at].values));
    show();
  };
  back.addEventListener("click", () => go(at - 1));
  next.addEventListener("click", () => go(at + 1));
  view.followLink = () => {
    at = steps.length;
    linked = true;
    show();
  };
  show();
  return box;
}

/**
 * Draw samples a few at a time, between the reader's own moves.
 *
 * `spec.samples` has `most`, `key(state, data)`: what the samples are samples of (null for none),
 * and `draw(state, seed, data)`: one more of them, or an iterator that returns it in the end, so
 * that a slow one is drawn over several frames. They lie in `memory.samples`.
 */
export function sampleSoon(view) {
  const plan = view.spec.samples;
  if (!plan) return;
  cancelAnimationFrame(view.sampleFrame);
  const falling = view.memory.sampled !== null && view.memory.samples.length < plan.most;
  view.root.dataset.samples = falling ? "falling" : "lie";
  if (falling) view.sampleFrame = requestAnimationFrame(() => sampleSlice(view, plan));
}

/** Let go of samples that are samples of something else, before anything is computed from them. */
export function dropStaleSamples(view) {
  const plan = view.spec.samples;
  if (!plan) return;
  const key = plan.key(view.state, view.data);
  if (view.memory.sampled !== key) Object.assign(view.memory, { sampled: key, samples: [], begun: null });
}

function sampleSlice(view, plan) {
  const { memory } = view;
  const until = performance.now() + SLICE_MS;
  const few = Math.min(plan.most, memory.samples.length + Math.ceil(plan.most / 40)); // seen to fall, not all at once
  const before = memory.samples.length;
  while (memory.samples.length < few && performance.now() < until) {
    memory.begun ||= plan.draw(view.state, memory.samples.length + 1, view.data);
    const { value, done } = memory.begun?.next?.() || { value: memory.begun, done: true };
    if (!done) continue;
    memory.samples.push(value);
    memory.begun = null;
  }
  if (memory.samples.length > before) view.update();
  else sampleSoon(view);
}
