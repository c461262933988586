
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
