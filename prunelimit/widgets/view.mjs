// The view: one widget on the page, its state, address, panels, readouts and sentence.
import { adoptAddress, bringIntoView, rememberAddressSoon } from "./address.mjs";
import { buildControls, element, makeDraggable, showControls } from "./controls.mjs";
import { buildPlayer, buildSteps, dropStaleSamples, sampleSoon } from "./player.mjs";
import { MARKS, escapeText } from "./plot.mjs";
import { admit, format } from "./words.mjs";

// Every widget on a page carries its own copy of this module: ids must differ between copies.
const COPY = Math.random().toString(36).slice(2, 8);
let viewsMade = 0;
const NARROWEST = 80; // pixels
const SVG = "http://www.w3.org/2000/svg";

/** One widget on the page: its controls, panels, readouts, sentence and address. */
class View {
  constructor(spec, model, root) {
    this.spec = spec;
    this.model = model;
    this.id = `pl-${COPY}-${(viewsMade += 1)}`;
    this.controls = model.get("_controls");
    this.data = model.get("data") || {};
    this.defaults = { ...model.get("_defaults") };
    this.address = model.get("key") || spec.name;
    this.memory = spec.remember ? spec.remember() : {};
    this.followLink = () => {}; // the guided steps, where there are any, give way to a link
    this.state = {};
    for (const control of this.controls) this.state[control.key] = model.get(control.key);
    const linked = adoptAddress(this);
    if (spec.start) spec.start(this);
    this.build(root);
    if (linked) this.followLink();
    this.listen();
    this.update();
    clearTimeout(this.liveTimer); // nothing has changed yet that a reader would have to hear
    bringIntoView(this);
  }

  // ---- state

  set(changes, { fromModel = false } = {}) {
    let changed = false;
    for (const control of this.controls) {
      if (!(control.key in changes)) continue;
      const value = admit(control, changes[control.key]);
      if (value === undefined || value === this.state[control.key]) continue;
      this.state[control.key] = value;
      changed = true;
    }
    if (!changed) return;
    if (this.spec.forget) this.spec.forget(this.memory, this.state, changes);
    if (this.spec.changed) this.spec.changed(this, changes);
    this.update();
    if (!fromModel) this.saveSoon();
    rememberAddressSoon(this);
  }

  /** The defaults with `values` in place of some, the reader's own guess spared. */
  target(values) {
    const kept = Object.fromEntries((this.spec.keeps || []).map((key) => [key, this.state[key]]));
    return { ...this.defaults, ...kept, ...values };
  }

  replace(values) {
    this.set(this.target(values));
  }

  saveSoon() {
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => {
      for (const control of this.controls) this.model.set(control.key, this.state[control.key]);
      try {
        this.model.save_changes();
      } catch {
        // a page without a kernel has nowhere to save to
      }
    }, 60);
  }

  // ---- what is on the page

  build(root) {
    this.root = element("section", { class: "pl-widget", "aria-label": this.model.get("title"), "data-widget": this.address });
    this.root.append(
      element("p", { class: "pl-title" }, this.model.get("title")),
      buildSteps(this),
      element("div", { class: "pl-stage" }, this.buildPanels(), buildPlayer(this), buildControls(this), this.morePanels),
      this.buildReadouts(),
      this.buildPresets(),
    );
    this.sentence = element("p", { class: "pl-sentence" });
    this.live = element("p", { class: "pl-hidden", "aria-live": "polite", role: "status" });
    this.root.append(this.sentence, this.live);
    root.append(this.root);
  }

  buildPresets() {
    const group = element("div", { class: "pl-presets", role: "group", "aria-label": "Presets" });
    for (const preset of this.model.get("_presets")) {
      group.append(element("button", { type: "button", "data-preset": preset.name, onclick: () => this.replace(preset.values) }, preset.name));
    }
    group.append(
      element("button", { type: "button", class: "pl-reset", "data-preset": "Reset", onclick: () => this.reset() }, "Reset"),
    );
    return group;
  }

  reset() {
    if (this.spec.remember) this.memory = this.spec.remember();
    this.set({ ...this.defaults });
    this.update();
  }

  buildPanels() {
    const holder = element("div", { class: "pl-panels" });
    const more = element("div", { class: "pl-panels" });
    this.panels = this.spec.panels.map((panel, index) => {
      const svg = document.createElementNS(SVG, "svg");
      const layers = [0, 1, 2, 3].map(() => svg.appendChild(document.createElementNS(SVG, "g")));
      svg.setAttribute("role", "img");
      svg.setAttribute("class", panel.drag ? `pl-plot pl-draggable pl-touch-${panel.drag.touch || "none"}` : "pl-plot");
      svg.setAttribute("data-panel", panel.name);
      const legend = element("ul", { class: "pl-legend" });
      const caption = element("figcaption", { id: `${this.id}-panel-${index}` }, panel.title);
      const figure = element("figure", { class: `pl-panel ${panel.wide ? "pl-wide" : panel.large ? "pl-large" : ""}` }, caption, svg, legend);
      (panel.more ? more : holder).append(figure);
      const entry = { panel, svg, layers, legend, caption, plot: null };
      if (panel.drag) makeDraggable(this, entry);
      return entry;
    });
    this.morePanels = more.childElementCount ? element("details", { class: "pl-more" }, element("summary", {}, "more pictures"), more) : "";
    return holder;
  }

  buildReadouts() {
    this.readouts = element("dl", { class: "pl-readouts" });
    return this.readouts;
  }

  // ---- events

  listen() {
    this.controlListeners = this.controls.map((control) => {
      const react = () => this.set({ [control.key]: this.model.get(control.key) }, { fromModel: true });
      this.model.on(`change:${control.key}`, react);
      return [`change:${control.key}`, react];
    });
    const dataChanged = () => {
      this.data = this.model.get("data") || {};
      this.update();
    };
    this.model.on("change:data", dataChanged);
    this.controlListeners.push(["change:data", dataChanged]);
    this.hashListener = () => {
      if (adoptAddress(this)) {
        this.followLink();
        this.update();
      } else rememberAddressSoon(this); // a link within the page has dropped the state from the address
    };
    window.addEventListener("hashchange", this.hashListener);
    // In a frame of its own: drawing changes the height, which would set the observer off again.
    this.observer = new ResizeObserver(() => {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => this.fit());
    });
    this.observer.observe(this.root);
  }

  destroy() {
    for (const [event, listener] of this.controlListeners) this.model.off(event, listener);
    window.removeEventListener("hashchange", this.hashListener);
    this.observer.disconnect();
    for (const frame of [this.frame, this.glideFrame, this.sampleFrame]) cancelAnimationFrame(frame);
    if (this.player) this.player.pause();
    clearTimeout(this.saveTimer);
    clearTimeout(this.addressTimer);
    clearTimeout(this.liveTimer);
  }

  // ---- redraw

  update() {
    dropStaleSamples(this);
    this.result = this.spec.evaluate(this.state, this.data, this.memory);
    showControls(this);
    this.showReadouts();
    this.draw();
    sampleSoon(this);
    this.sentence.textContent = this.spec.sentence(this.state, this.result, this.data, this.memory);
    clearTimeout(this.liveTimer);
    this.liveTimer = setTimeout(() => {
      this.live.textContent = this.sentence.textContent;
    }, 500);
    this.root.dataset.state = JSON.stringify(this.state);
  }

  showReadouts() {
    const rows = this.spec.readouts(this.state, this.result, this.data, this.memory);
    this.readouts.innerHTML = rows
      .map(({ name, label, value, text, look }) => {
        const full = typeof value === "number" ? ` data-value="${value}"` : "";
        return `<div class="${look || ""}"><dt>${escapeText(label)}</dt><dd data-readout="${name}"${full}>${escapeText(text ?? format(value))}</dd></div>`;
      })
      .join("");
  }

  // Measured once and after a change of size only: asking while drawing would lay the page out
  // again for every panel.
  measure() {
    this.widths = this.panels.map((entry) => Math.round(entry.svg.parentNode.clientWidth));
  }

  fit() {
    const before = String(this.widths);
    this.measure();
    if (before !== String(this.widths)) this.draw();
  }

  draw() {
    if (!this.widths) this.measure();
    const words = this.spec.sentence(this.state, this.result, this.data, this.memory);
    for (const [index, entry] of this.panels.entries()) {
      const width = this.widths[index];
      if (width < NARROWEST) continue; // folded away, or no room for axes: drawn when there is
      const height = Math.round(Math.min(entry.panel.tall || 300, Math.max(210, width * (entry.panel.ratio || 0.68))));
      entry.svg.setAttribute("width", width);
      entry.svg.setAttribute("height", height);
      entry.plot = entry.panel.draw({ width, height, state: this.state, result: this.result, data: this.data, memory: this.memory });
      entry.plot.name = `${this.id}-${entry.panel.name}`;
      entry.plot.layers().forEach((content, j) => {
        const layer = entry.layers[j];
        if (content !== layer.shown) layer.innerHTML = content;
        layer.shown = content;
      });
      entry.svg.setAttribute("aria-label", `${entry.panel.title}. ${words}`);
      this.showLegend(entry);
    }
  }

  showLegend({ panel, legend }) {
    const rows = panel.legend ? panel.legend(this.state, this.result, this.data, this.memory) : [];
    const html = rows
      .map(({ label, look, shape }) => {
        const sample = shape === "area" ? `<path class="pl-area ${look}" d="M1 2H27V14H1z"/>` : shape
          ? `<path class="pl-mark ${shape === "cross" ? "pl-open" : ""} ${look}" d="${MARKS[shape](14, 8, 4.5)}"/>`
          : `<path class="pl-line ${look}" d="M1 8H27"/>`;
        return `<li><svg width="28" height="16" aria-hidden="true">${sample}</svg>${escapeText(label)}</li>`;
      })
      .join("");
    if (html !== legend.shown) legend.innerHTML = html;
    legend.shown = html;
  }
}

/** An anywidget module's default export for `spec`. */
export function createWidget(spec) {
  return {
    render({ model, el }) {
      const view = new View(spec, model, el);
      return () => view.destroy();
    },
  };
}
