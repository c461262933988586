// The state in the page's address: read from it, written to it, and the page scrolled to it.
import { admit, decoded, formatFragment, parseFragment } from "./words.mjs";

const SETTLED_MS = 2500; // formulas, fonts and pictures go on changing the page's height

function inNotebookServer() {
  return Boolean(document.querySelector("#jupyter-config-data, .jp-LabShell, .jp-Notebook, .notebook_app"));
}

/** Take the state that the page's address gives this widget; say whether it gave one. */
export function adoptAddress(view) {
  if (inNotebookServer()) return false;
  const settings = parseFragment(window.location.hash).widgets.get(view.address);
  if (!settings) return false;
  for (const control of view.controls) {
    const value = control.key in settings ? admit(control, settings[control.key]) : undefined;
    view.state[control.key] = value === undefined ? view.defaults[control.key] : value;
  }
  return true;
}

/** Write the state into the address once the reader rests. */
export function rememberAddressSoon(view) {
  view.root.dataset.address = "pending";
  clearTimeout(view.addressTimer);
  view.addressTimer = setTimeout(() => rememberAddress(view), 250);
}

function rememberAddress(view) {
  if (inNotebookServer()) return;
  const fragment = parseFragment(window.location.hash);
  const settings = {};
  for (const control of view.controls) {
    if (view.state[control.key] !== view.defaults[control.key]) settings[control.key] = view.state[control.key];
  }
  if (Object.keys(settings).length) fragment.widgets.set(view.address, settings);
  else fragment.widgets.delete(view.address);
  const url = `${window.location.pathname}${window.location.search}${formatFragment(fragment)}`;
  try {
    window.history.replaceState(window.history.state, "", url);
  } catch {
    // a frame without an address of its own, or a browser that has had enough for now
  }
  view.root.dataset.address = "written";
}

/**
 * A link to an exact state leads to its widget; one to an anchor beside states leads to the anchor.
 *
 * The page is scrolled again whenever its height changes, until it has settled or the reader moves.
 */
export function bringIntoView(view) {
  const { anchor, widgets } = parseFragment(window.location.hash);
  if (!widgets.size || inNotebookServer()) return;
  if (!anchor && [...widgets.keys()][0] !== view.address) return;
  const target = () => (anchor ? document.getElementById(decoded(anchor)) : view.root);
  const scroll = () => target()?.scrollIntoView({ block: "start", behavior: "instant" });
  const watcher = new ResizeObserver(() => requestAnimationFrame(scroll));
  const moves = ["wheel", "touchstart", "keydown", "pointerdown"];
  const stop = () => {
    watcher.disconnect();
    for (const move of moves) window.removeEventListener(move, stop);
  };
  for (const move of moves) window.addEventListener(move, stop, { passive: true });
  scroll();
  watcher.observe(document.body);
  document.fonts?.ready.then(() => requestAnimationFrame(scroll));
  const settle = () => setTimeout(() => { scroll(); stop(); }, SETTLED_MS);
  if (document.readyState === "complete") settle();
  else window.addEventListener("load", settle, { once: true });
}
