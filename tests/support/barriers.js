// Serious findings of axe, in the light and in the dark.
//
// The rules that go by colours cost most, and the dark may change the verdict of no others. Elements
// whose letters, colours and ground agree look alike to them: one that is seen stands for all.
const done = arguments[0];
const COLOURS = ["color-contrast", "link-in-text-block"];
const onlySerious = (theme, { violations }) => violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .map(({ id, nodes }) => [theme, id, nodes.slice(0, 3).map((node) => node.html.slice(0, 120))]);

/** What lies behind an element's letters: its own ground, and that of all it stands in. */
function ground(element, known) {
  if (!element) return "";
  if (!known.has(element)) {
    const { backgroundColor, backgroundImage, opacity, filter, mixBlendMode, position } = getComputedStyle(element);
    const own = [backgroundColor, backgroundImage, opacity, filter, mixBlendMode, position].join(" ");
    const clear = own === "rgba(0, 0, 0, 0) none 1 none normal static";
    known.set(element, (clear ? "" : `${own}|`) + ground(element.parentElement, known));
  }
  return known.get(element);
}

function oneOfEachLook() {
  const known = new Map(), kept = new Map();
  const hasLetters = (element) => element.matches("input, select, textarea")
    || [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  for (const element of document.querySelectorAll("body *")) {
    if (!hasLetters(element) || !element.checkVisibility({ visibilityProperty: true })) continue;
    const { color, fill, fontSize, fontWeight, textDecorationLine, textShadow } = getComputedStyle(element);
    const link = element.closest("a[href]");
    const look = [
      color, fill, fontSize, fontWeight, textDecorationLine, textShadow, ground(element, known),
      ...["[aria-hidden=true]", ":disabled, [aria-disabled=true]", "svg"].map((what) => Boolean(element.closest(what))),
      link && getComputedStyle(link.parentElement).color, link && getComputedStyle(link).textDecorationLine,
    ].join(";");
    if (kept.has(look)) continue;
    kept.set(look, element);
    if (link) kept.set(`link ${look}`, link);
  }
  return [...kept.values()];
}

const colours = { resultTypes: ["violations"], runOnly: { type: "rule", values: COLOURS } };
const others = { resultTypes: ["violations"], rules: Object.fromEntries(COLOURS.map((id) => [id, { enabled: false }])) };

async function look() {
  // A formula's letters are hidden from whom axe stands for, and are most of a page.
  for (const drawn of document.querySelectorAll("mjx-math[aria-hidden=true]")) drawn.replaceChildren();
  document.documentElement.dataset.theme = "light";
  const found = onlySerious("light", await axe.run(document, others));
  for (const theme of ["light", "dark"]) {
    document.documentElement.dataset.theme = theme;
    found.push(...onlySerious(theme, await axe.run({ include: oneOfEachLook() }, colours)));
  }
  return found;
}
look().then(done, (failure) => done([["axe", String(failure), []]]));
