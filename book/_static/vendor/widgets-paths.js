// Tells RequireJS where the widgets' front end lies: beside this file, wherever the page is.
(() => {
  const here = new URL(".", document.currentScript.src).href.replace(/\/$/, "");
  window.require.config({
    paths: {
      anywidget: `${here}/anywidget`,
      "@jupyter-widgets": here,
      // Where the manager looks for its fonts.
      "@jupyter-widgets/html-manager/dist": here,
    },
  });
})();
