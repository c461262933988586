// What every widget shares. Words, numbers and plots touch no document, so node can import and test
// them. Python joins these files and one widget's own into the single ES module that anywidget wants
// (see base.py).
export * from "./numbers.mjs";
export * from "./words.mjs";
export * from "./plot.mjs";
export * from "./view.mjs";
