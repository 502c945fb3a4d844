// Keeps notebooks from opening as text, and gives each a name that tells it apart.
(() => {
  "use strict";
  document.addEventListener("DOMContentLoaded", () => {
    const links = ".dropdown-notebook-buttons a[href$='.ipynb']";
    for (const link of document.querySelectorAll(links)) {
      const [framework, name] = link.href.split("/").slice(-2);
      link.download = name.replace(".ipynb", `_${framework}.ipynb`);
      link.removeAttribute("target");
    }
  });
})();
