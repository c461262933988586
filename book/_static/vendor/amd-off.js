// After the widgets' front end: other scripts of the page would otherwise take themselves for
// anonymous AMD modules and fail with "Mismatched anonymous define()".
if (typeof window.define === "function") {
  window.define.amd = false;
}
