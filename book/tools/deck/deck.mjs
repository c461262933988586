// The deck: reveal.js moves between the slides, and each widget is mounted when its slide is near.

/** What a widget's module sees of its model: the values, and nobody who listens elsewhere. */
class Model {
  constructor(state) { this.state = state; this.heard = {}; }
  get(key) { return this.state[key]; }
  set(key, value) {
    if (this.state[key] === value) return;
    this.state[key] = value;
    for (const listener of this.heard[`change:${key}`] || []) listener();
  }
  on(event, listener) { (this.heard[event] ||= []).push(listener); }
  off(event, listener) { this.heard[event] = (this.heard[event] || []).filter((other) => other !== listener); }
  save_changes() {}
  send() {}
}

const start = window.location.hash;
const [anchor] = start.replace(/^#\/?/, "").split("&");

/** Bring a slide's widget to life; until then, and on paper, its picture stands there. */
async function mount(slide) {
  const holder = slide?.querySelector(".widget:not(.alive)");
  if (!holder) return;
  holder.classList.add("alive");
  const state = JSON.parse(holder.querySelector("script").textContent);
  const url = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
  const module = await import(url);
  // The widget reads its state from the address, as it does in the book.
  const here = slide.id === anchor && start.includes("w=") ? start : holder.dataset.state;
  const before = window.location.hash;
  window.history.replaceState(null, "", `#/${slide.id}&${here.replace(/^#(?:[^&]*&(?=w=))?/, "")}`);
  const place = holder.appendChild(document.createElement("div"));
  (module.default.render || (await module.default()).render)({ model: new Model(state), el: place });
  window.history.replaceState(null, "", before || "#");
}

const inWidget = () => document.activeElement?.closest(".widget");

const deck = new window.Reveal({
  disableLayout: true, // a widget measures the pointer in the page's own pixels
  center: false,
  hash: true,
  transition: "none",
  slideNumber: "c/t",
  keyboardCondition: () => !inWidget(),
});
await deck.initialize();
const wanted = deck.getHorizontalSlides().findIndex((slide) => slide.id === anchor);
if (wanted > 0) deck.slide(wanted);
deck.addKeyBinding({ keyCode: 78, key: "N", description: "Notes below the slide" }, () => {
  document.documentElement.classList.toggle("with-notes");
});

// reveal's own speaker window asks for a server: an empty window that this page fills does not.
let speaker = null;
const began = Date.now();

function tellSpeaker() {
  document.querySelector(".pane").innerHTML = deck.getCurrentSlide().querySelector("aside.notes").innerHTML;
  if (!speaker || speaker.closed) return;
  const slides = deck.getHorizontalSlides();
  const { h } = deck.getIndices();
  const heading = (slide) => slide?.querySelector("h2").innerHTML ?? "the end";
  speaker.document.body.innerHTML = `<p>Slide ${h + 1} of ${slides.length}, <b>${Math.floor((Date.now() - began) / 60000)}</b> minutes gone</p>`
    + `<h1>${heading(slides[h])}</h1>${slides[h].querySelector("aside.notes").innerHTML}<p>Next: ${heading(slides[h + 1])}</p>`;
}

deck.addKeyBinding({ keyCode: 83, key: "S", description: "Notes in a window of their own" }, () => {
  speaker = window.open("", "notes", "width=900,height=700");
  if (!speaker) return;
  speaker.document.title = "Notes";
  for (const node of document.querySelectorAll("style")) speaker.document.head.append(node.cloneNode(true));
  speaker.document.body.className = "speaker";
  tellSpeaker();
  setInterval(tellSpeaker, 15000);
});
deck.on("slidechanged", ({ currentSlide }) => { mount(currentSlide); tellSpeaker(); });
await mount(deck.getCurrentSlide());
tellSpeaker();

// A presenter's clicker sends PageUp and PageDown, which a slider would take for itself.
document.addEventListener("keydown", (event) => {
  if (!inWidget() || !["Escape", "PageDown", "PageUp"].includes(event.key)) return;
  document.activeElement.blur();
  event.preventDefault();
  event.stopPropagation();
  if (event.key === "PageDown") deck.next();
  if (event.key === "PageUp") deck.prev();
}, true);
document.body.dataset.ready = "yes";
