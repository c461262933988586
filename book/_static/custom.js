
// A page without a contents list of its own: Bootstrap's scroll spy would take every link of the
// page for an entry, and read a widget's state (#w=...) as a selector.
document.addEventListener("DOMContentLoaded", () => {
  if (!document.querySelector(".bd-toc-nav")) document.body.removeAttribute("data-bs-spy");
});
