// The front page's figure: the network of chapter 0 loses its weights by itself, and then its survivors train.
// The build puts this after the widget's own module, whose `spec` and `wantsStillness` it uses.

// The film: what is cut, and whether the survivors have trained, at some seconds; the cut glides between them.
const FILM = [
  { at: 0, sparsity: 0 }, { at: 1, sparsity: 0 }, { at: 4, sparsity: 0.6 }, { at: 9, sparsity: 0.9 },
  { at: 11, sparsity: 0.9, retrained: true }, { at: 13, sparsity: 0.9, retrained: true },
];
const LENGTH = FILM[FILM.length - 1].at;

/** What the film shows after some seconds. */
function frameAt(seconds) {
  const next = Math.max(1, FILM.findIndex(({ at }) => at >= seconds));
  const [from, to] = [FILM[next - 1], FILM[next]];
  const share = (seconds - from.at) / (to.at - from.at);
  return { sparsity: from.sparsity + share * (to.sparsity - from.sparsity), retrained: Boolean((share < 1 ? from : to).retrained) };
}

// No share and no accuracy: at which sparsity it breaks, chapter 0 asks the reader to guess.
function told({ dim, right }, { retrained, sparsity }, digits) {
  if (retrained) return `The same cut, and the survivors trained again: ${right} of ${digits} digits. At which share of cut weights did it break?`;
  if (sparsity === 0) return `A network of ${dim} weights reads ${right} of ${digits} digits.`;
  return `The smallest of its ${dim} weights are cut, and nothing is trained: ${right} of ${digits} digits.`;
}

/** Put the figure into `place`; it plays once, when it is first seen, and rests for readers who want stillness. */
function open(place, data, css) {
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  place.classList.add("pl-widget");
  place.innerHTML = '<svg class="pl-plot" role="img"></svg><div class="opening-foot"><p></p><button type="button"></button></div>';
  const [svg, words, button] = ["svg", "p", "button"].map((name) => place.querySelector(name));
  const { draw } = spec.panels[0];
  let [seconds, playing, last, pending] = [0, false, 0, 0];

  const show = (frame = frameAt(seconds)) => {
    const width = place.clientWidth - 24; // less its padding
    const height = Math.round(0.76 * width);
    const state = { guess: 0, digit: 3, ...frame };
    const result = spec.evaluate(state, data);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.innerHTML = draw({ width, height, state, result, data }).toString();
    words.textContent = told(result, state, data.digits.length);
    svg.setAttribute("aria-label", `Connections from 64 pixels over twelve units to ten classes, eight digits below. ${words.textContent}`);
    button.textContent = playing ? "❚❚ Pause" : seconds >= LENGTH ? "▶ Again" : "▶ Cut it";
  };
  const rest = () => {
    playing = false;
    cancelAnimationFrame(pending);
  };
  const step = (now) => {
    seconds = Math.min(LENGTH, seconds + Math.min(0.1, Math.max(0, now - last) / 1000));
    last = now;
    if (seconds >= LENGTH) rest();
    else pending = requestAnimationFrame(step);
    show();
  };
  const play = () => {
    if (seconds >= LENGTH) seconds = 0;
    [playing, last] = [true, performance.now()];
    pending = requestAnimationFrame(step);
  };

  button.addEventListener("click", () => {
    if (playing) rest();
    else play();
    show();
  });
  const still = wantsStillness() ? { sparsity: 0.9, retrained: false } : undefined;
  new ResizeObserver(() => { if (!playing) show(seconds ? undefined : still); }).observe(place.parentNode);
  show(still);
  if (still) return;
  const seen = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    seen.disconnect();
    play();
  }, { threshold: 0.6 });
  seen.observe(place);
}
