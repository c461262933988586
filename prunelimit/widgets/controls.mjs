// Sliders, menus, boxes, and things that can be dragged: what a reader moves.
import { format, fromPosition, percent, toPosition } from "./words.mjs";

const SLOP = 8; // pixels: a finger that stays within them taps

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/** Every control's row; those that most readers leave alone are folded away. */
export function buildControls(view) {
  view.inputs = new Map();
  const make = { slider: buildSlider, choice: buildChoice, toggle: buildToggle };
  const holder = element("div", { class: "pl-controls" });
  const more = element("div", { class: "pl-controls" });
  for (const control of view.controls) (control.more ? more : holder).append(make[control.kind](view, control));
  if (!more.childElementCount) return holder;
  const fold = element("details", { class: "pl-more" }, element("summary", {}, "more controls"), more);
  return element("div", { class: "pl-knobs" }, holder, fold);
}

function buildSlider(view, control) {
  const id = `${view.id}-${control.key}`;
  const shown = element("output", { for: id, class: "pl-value" });
  const input = element("input", {
    type: "range", id, "data-control": control.key,
    min: toPosition(control, control.min), max: toPosition(control, control.max), step: control.step,
  });
  input.addEventListener("input", () => view.set({ [control.key]: fromPosition(control, Number(input.value)) }));
  const typed = control.typed ? buildField(view, control) : null;
  const row = element("div", { class: "pl-control" }, element("label", { for: id }, control.label), input, typed ? typed.parentNode : shown);
  view.inputs.set(control.key, { control, input, shown, typed, row });
  return row;
}

// A share in percent, to type: empty for 0, and followed while it is written.
function buildField(view, control) {
  const field = element("input", {
    type: "number", inputmode: "decimal", "data-field": control.key, placeholder: "–",
    min: 100 * control.min, max: 100 * control.max, step: "any",
  });
  field.addEventListener("input", () => {
    const unfinished = field.validity.badInput || (field.value === "" && control.min > 0);
    if (!unfinished) view.set({ [control.key]: Number(field.value) / 100 });
  });
  field.addEventListener("change", () => showField(field, view.state[control.key]));
  element("label", { class: "pl-field" }, element("span", { class: "pl-hidden" }, `${control.label}, typed, in percent`), field, "%");
  return field;
}

function showField(field, value) {
  field.value = value ? String(Number((100 * value).toFixed(1))) : "";
}

function buildChoice(view, control) {
  const id = `${view.id}-${control.key}`;
  const input = element("select", { id, "data-control": control.key });
  for (const option of control.options) input.append(element("option", { value: option.value }, option.label));
  input.addEventListener("change", () => view.set({ [control.key]: input.value }));
  const row = element("div", { class: "pl-control" }, element("label", { for: id }, control.label), input);
  if (control.stepper) row.append(stepButton(view, control, -1), stepButton(view, control, 1));
  view.inputs.set(control.key, { control, input, row });
  return row;
}

function stepButton(view, control, direction) {
  const move = () => {
    const here = control.options.findIndex((option) => option.value === view.state[control.key]);
    const there = Math.min(control.options.length - 1, Math.max(0, here + direction));
    view.set({ [control.key]: control.options[there].value });
  };
  const label = direction > 0 ? `next ${control.label}` : `previous ${control.label}`;
  return element("button", { type: "button", class: "pl-step", "aria-label": label, "data-step": `${control.key}${direction > 0 ? "+" : "-"}`, onclick: move }, direction > 0 ? "+" : "−");
}

function buildToggle(view, control) {
  const input = element("input", { type: "checkbox", "data-control": control.key });
  input.addEventListener("change", () => view.set({ [control.key]: input.checked }));
  const row = element("div", { class: "pl-control" }, element("label", { class: "pl-check" }, input, element("span", {}, control.label)));
  view.inputs.set(control.key, { control, input, row });
  return row;
}

/** Bring every control to the present state. */
export function showControls(view) {
  for (const { control, input, shown, typed, row } of view.inputs.values()) {
    const value = view.state[control.key];
    row.hidden = view.spec.shows ? !view.spec.shows(control.key, view.state, view.data) : false;
    if (control.kind === "toggle") input.checked = value;
    else if (control.kind === "choice") input.value = value;
    else {
      const limits = view.spec.limits ? view.spec.limits(control.key, view.state) : null;
      if (limits) [input.min, input.max] = limits.map((limit) => toPosition(control, limit));
      const position = toPosition(control, value);
      if (Math.abs(Number(input.value) - position) > control.step / 2) input.value = position;
      const text = control.percent ? percent(value) : `${format(value)}${control.unit || ""}`;
      shown.textContent = text;
      input.setAttribute("aria-valuetext", text);
      if (typed && Math.abs(Number(typed.value) / 100 - value) > 1e-9) showField(typed, value);
    }
  }
}

/** Let a reader take hold of what the panel draws. */
export function makeDraggable(view, entry) {
  const { svg, panel } = entry;
  let grip = null;
  let held = false; // a finger that may yet scroll the page holds nothing
  let [startX, startY] = [0, 0];
  const point = (event) => {
    const box = svg.getBoundingClientRect();
    const scale = Number(svg.getAttribute("width")) / box.width; // 1, unless the page is enlarged: the deck
    return [scale * (event.clientX - box.left), scale * (event.clientY - box.top)];
  };
  const move = (event) => {
    const [px, py] = point(event);
    const [x, y] = entry.plot.invert(px, py);
    view.set(panel.drag.move(grip, x, y, view.state, view.result, view.data));
  };
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !entry.plot) return;
    const [px, py] = point(event);
    grip = panel.drag.start ? panel.drag.start(px, py, entry.plot, view.state, view.result, view.data) : "all";
    if (!grip) return;
    held = event.pointerType !== "touch" || panel.drag.touch !== "pan-y" || event.target.closest(".pl-handle") !== null;
    [startX, startY] = [event.clientX, event.clientY];
    svg.setPointerCapture(event.pointerId);
    event.preventDefault();
    if (held) move(event);
  });
  svg.addEventListener("pointermove", (event) => {
    const sideways = Math.abs(event.clientX - startX);
    if (sideways > Math.max(SLOP, Math.abs(event.clientY - startY))) held = true;
    if (grip && held) move(event);
  });
  svg.addEventListener("pointerup", (event) => {
    if (grip && !held) move(event); // a tap
    grip = null;
  });
  svg.addEventListener("pointercancel", () => {
    grip = null;
  });
  // A finger that has hold of something drags it; elsewhere it scrolls the page.
  svg.addEventListener("touchstart", (event) => {
    if (grip && held && event.cancelable) event.preventDefault();
  }, { passive: false });
}
