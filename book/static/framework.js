// Keeps the chosen framework valid, the text still when tabs change height, and
// downloads from opening as text.
(() => {
  const frameworks = ["pytorch", "tensorflow", "jax", "mxnet"];
  const key = "sphinx-design-tab-id-framework";

  // sphinx-design stores whatever ?framework= says: this runs before it.
  const url = new URL(window.location.href);
  const asked = url.searchParams.get("framework");
  if (asked !== null) {
    const framework = asked.trim().toLowerCase();
    if (frameworks.includes(framework)) {
      url.searchParams.set("framework", framework);
    } else {
      url.searchParams.delete("framework");
    }
    window.history.replaceState(null, "", url);
  }
  try {
    if (!frameworks.includes(localStorage.getItem(key))) {
      localStorage.removeItem(key);
    }
  } catch {
    // No storage: the choice lasts for this page only.
  }

  // The tab that was pressed stays where it is on the screen.
  let pressed = null;
  const remember = (event) => {
    const tabs = event.target.closest?.(".sd-tab-set");
    pressed = tabs && { tabs, top: tabs.getBoundingClientRect().top };
  };
  for (const type of ["pointerdown", "keydown"]) {
    document.addEventListener(type, remember, true);
  }
  document.addEventListener("change", () => {
    if (!pressed) return;
    const moved = pressed.tabs.getBoundingClientRect().top - pressed.top;
    window.scrollBy({ top: moved, behavior: "instant" });
  });

  document.addEventListener("DOMContentLoaded", () => {
    for (const link of document.querySelectorAll(".dropdown-notebook-buttons a")) {
      const [framework, name] = link.href.split("/").slice(-2);
      link.download = name.replace(".ipynb", `_${framework}.ipynb`);
      link.removeAttribute("target");
    }
  });
})();
