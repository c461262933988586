
// A page without a contents list of its own: Bootstrap's scroll spy would take every link of the
// page for an entry, and read a widget's state (#w=...) as a selector.
document.addEventListener("DOMContentLoaded", () => {
  if (!document.querySelector(".bd-toc-nav")) document.body.removeAttribute("data-bs-spy");
});

// Paper is white: a page that is read in the dark is printed in the light theme.
let themeOnScreen;
window.addEventListener("beforeprint", () => {
  themeOnScreen = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});
window.addEventListener("afterprint", () => {
  document.documentElement.dataset.theme = themeOnScreen;
});

// A table that is wider than its place is set tighter; if that is not enough on a phone, a row's name
// stands above its values (led); and if that is not, it is stacked (custom.css): each row becomes a
// card, and each value is told with the head of its column.
const WORDY = 28;
const words = (cell) => cell.textContent.trim();
const isNumber = (text) => text !== "" && !Number.isNaN(Number(text));
const named = (name, text) => (name && isNumber(text) ? `${name} ${text}` : text);

function headsOf(table) {
  const heads = [];
  for (const row of table.tHead?.rows ?? []) {
    let column = 0;
    for (const cell of row.cells) {
      for (let i = 0; i < cell.colSpan; i += 1, column += 1) (heads[column] ??= []).push(words(cell));
    }
  }
  return heads;
}

function labelCells(table) {
  const heads = headsOf(table);
  // pandas writes the name of the columns above the rows' heads, and that of the rows below it.
  const apart = heads.length > 1 && heads[0].length > 1 && heads.at(-1).at(-1) === "";
  const [ofColumns, ofRows] = apart ? [heads[0][0], heads[0].at(-1)] : ["", ""];
  const labels = heads.map((texts) => texts.filter(Boolean).map((t) => named(ofColumns, t)).join(", "));
  const above = [];
  const columns = [];
  for (const row of table.tBodies[0]?.rows ?? []) {
    const cells = [...row.cells];
    const first = cells.find((cell) => cell.tagName === "TH");
    let column = labels.length - cells.reduce((sum, cell) => sum + cell.colSpan, 0);
    const inherited = [...above.slice(0, Math.max(column, 0)), first && isNumber(words(first)) ? ofRows : ""];
    if (inherited.some(Boolean)) first.dataset.above = inherited.filter(Boolean).join(", ");
    cells.forEach((cell, place) => {
      if (cell.rowSpan > 1) above[column] = words(cell);
      if (cell.tagName === "TD" && (first || place > 0)) {
        if (labels[column]) cell.dataset.label = labels[column];
        (columns[column] ??= []).push(cell);
        cell.classList.toggle("empty", words(cell) === "" && !cell.querySelector("mjx-container, img, svg"));
      }
      column += cell.colSpan;
    });
  }
  // A column of sentences is set as such, and needs no head where there is but one.
  const wordy = columns.filter((cells) => cells.some((cell) => words(cell).length > WORDY));
  for (const cell of wordy.flat()) cell.classList.add(...(wordy.length > 1 ? ["in-words"] : ["in-words", "alone"]));
}

// Laid out as blocks, a table would no longer be told as one.
function tellAsTable(table) {
  const roles = { "tr": "row", "td": "cell", "thead th": "columnheader", "tbody th": "rowheader" };
  table.setAttribute("role", "table");
  for (const [which, role] of Object.entries(roles)) {
    for (const part of table.querySelectorAll(which)) part.setAttribute("role", role);
  }
}

// The heads of the rows leave the row: those of groups always, a row's own if the values need its place.
function lead(table) {
  const rows = [...(table.tBodies[0]?.rows ?? [])];
  const [top] = table.tHead?.rows ?? [];
  if (!top || !rows.length) return false;
  const levels = Math.max(1, ...rows.map((row) => row.querySelectorAll("th").length));
  const count = top.cells.length - levels;
  const values = (row) => [...row.cells].slice(-count);
  const merged = [...top.cells].some((cell) => cell.colSpan > 1 || cell.rowSpan > 1);
  if (count < 2 || merged || rows.some((row) => values(row).some((cell) => words(cell).length > 12))) return false;
  for (const row of [top, ...rows]) {
    [...row.cells].slice(0, -count).forEach((cell, place, heads) => {
      cell.classList.add(place < heads.length - 1 ? "of-group" : "of-row");
    });
  }
  table.classList.add("led");
  for (const above of [false, true]) {
    table.style.setProperty("--led", `${above ? "" : "minmax(5em, 1.6fr) "}repeat(${count}, minmax(0, 1fr))`);
    table.classList.toggle("led-above", above);
    if ([...table.rows].every((row) => [...row.cells].every((cell) => cell.scrollWidth <= cell.clientWidth + 1))) return true;
  }
  return false;
}

// What is folded has its turn when it is opened. All of a page at every fold, and as a phone's bar of addresses
// comes and goes, would take a minute: only what has another place than when it was last fitted.
let placeOf = new WeakMap();
const place = (block) => `${block.parentElement.clientWidth} of ${window.innerWidth}`;

function fitAll(which, fitOne) {
  for (const block of document.querySelectorAll(which)) {
    if (!block.parentElement.clientWidth || placeOf.get(block) === place(block)) continue;
    fitOne(block);
    placeOf.set(block, place(block));
  }
}

function fitTable(table) {
  const room = table.parentElement.clientWidth;
  const tooWide = () => table.scrollWidth > room + 1;
  table.classList.remove("tight", "led", "led-above", "stacked");
  if (!tooWide()) return;
  table.classList.add("tight");
  if (window.innerWidth > 600 || !tooWide()) return;
  if (!table.hasAttribute("role")) {
    labelCells(table);
    tellAsTable(table);
  }
  table.classList.remove("tight");
  if (lead(table)) return;
  table.classList.remove("led", "led-above");
  table.classList.add("stacked");
}

// What a cell prints in columns, or in rows that differ in their numbers alone, is read by its columns:
// on a phone it is set as small as they need, if that can still be read; else its lines are broken.
const LEAST = 8; // pixels
const shape = (line) => line.replace(/[\d.]+/g, "0");

function longestRow(text) {
  const lines = text.split("\n").filter(Boolean);
  const shapes = lines.map(shape);
  const rows = lines.filter((line, j) => /\S {2,}\S/.test(line) || shapes.indexOf(shapes[j]) !== shapes.lastIndexOf(shapes[j]));
  return rows.reduce((longest, row) => (row.length > longest.length ? row : longest), "");
}

function fitOutput(block) {
  block.style.fontSize = "";
  const style = getComputedStyle(block);
  const room = block.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  if (window.innerWidth > 600 || room <= 0) return;
  const ruler = block.appendChild(document.createElement("span"));
  ruler.style.cssText = "position: absolute; visibility: hidden; white-space: pre; text-indent: 0";
  ruler.textContent = longestRow(block.textContent);
  const size = parseFloat(style.fontSize) * Math.min(1, room / (ruler.getBoundingClientRect().width + 1));
  ruler.remove();
  if (size >= LEAST && size < parseFloat(style.fontSize)) block.style.fontSize = `${size}px`;
}

function fit() {
  fitAll(".bd-article table:not(.indextable)", fitTable);
  fitAll(".bd-article .cell_output pre", fitOutput);
}

// Formulas are as wide as their fonts, which come when they are seen first.
function fitAnew() {
  placeOf = new WeakMap();
  fit();
}

window.addEventListener("load", () => {
  Promise.resolve(window.MathJax?.startup?.promise).then(fitAnew);
});
document.fonts.addEventListener("loadingdone", fitAnew);
window.addEventListener("resize", fit);
document.addEventListener("toggle", fit, true);

// A line of code that is broken goes on further in than it began, so that Python's blocks stay to be seen.
function indentBrokenLines() {
  for (const block of document.querySelectorAll(".bd-article .highlight pre")) {
    const lines = block.innerHTML.replace(/\n$/, "").split("\n");
    const whole = (line) => (line.match(/<span/g) ?? []).length === (line.match(/<\/span>/g) ?? []).length;
    if (!lines.every(whole)) continue; // a text over several lines
    // Rather behind a bracket than within a name.
    block.innerHTML = lines.map((line) => line.replace(/([([{])<\/span>/g, "$1</span><wbr>")).map((line) => {
      const begins = line.replace(/<[^>]*>/g, "").search(/\S|$/);
      return `<span class="code-line" style="--begins: ${begins}ch">${line}\n</span>`;
    }).join("");
  }
}
document.addEventListener("DOMContentLoaded", indentBrokenLines);

// On a phone, a page whose sections stand each for itself (it says so: .sections-fold) is a list of their heads.
function foldSections() {
  if (window.innerWidth > 600 || !document.querySelector(".sections-fold")) return;
  for (const head of document.querySelectorAll(".bd-article section > h2")) {
    const fold = document.createElement("details");
    const summary = fold.appendChild(document.createElement("summary"));
    fold.className = "section-fold";
    fold.append(...[...head.parentElement.childNodes].filter((node) => node !== head && !node.matches?.("span[id]")));
    head.replaceWith(fold);
    summary.append(head);
    head.querySelector(".headerlink")?.remove();
  }
  const openWanted = () => {
    const wanted = document.getElementById(decodeURIComponent(window.location.hash.slice(1)));
    if (!wanted) return;
    let fold = wanted.closest("details") ?? wanted.closest("section")?.querySelector(".section-fold");
    for (; fold; fold = fold.parentElement.closest("details")) fold.open = true;
    wanted.scrollIntoView();
  };
  window.addEventListener("hashchange", openWanted);
  openWanted();
}
document.addEventListener("DOMContentLoaded", foldSections);

// A prediction is written where it is asked for, kept in this browser alone, and laid beside what came out.
function rememberPredictions() {
  const page = window.location.pathname.split("/").pop();
  const folds = [...document.querySelectorAll("details.sd-dropdown")];
  const boxes = [...document.querySelectorAll(".admonition")].filter((box) => words(box.firstElementChild) === "Predict");
  boxes.forEach((box, number) => {
    const fold = folds.find((one) => box.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING);
    const label = document.createElement("label");
    const field = document.createElement("input");
    const said = document.createElement("p");
    const store = `prunelimit.predict.${page}.${number}`;
    const show = () => {
      said.hidden = field.value.trim() === "";
      said.textContent = `You predicted: ${field.value.trim()}`;
    };
    label.className = said.className = "prediction";
    label.append("Your prediction", field);
    box.append(label);
    fold.querySelector(".sd-summary-content").prepend(said);
    try {
      field.value = localStorage.getItem(store) ?? "";
    } catch {
      // a browser that keeps nothing
    }
    field.addEventListener("input", () => {
      show();
      try {
        localStorage.setItem(store, field.value);
      } catch {
        // a browser that keeps nothing
      }
    });
    show();
  });
}
document.addEventListener("DOMContentLoaded", rememberPredictions);
