// What the reader has chosen, kept over pages, visits and open windows. It stands in
// attributes of <html> before anything is painted: style sheets show the right panels.
(() => {
  "use strict";
  const names = ["pytorch", "tensorflow", "jax", "mxnet"];
  const key = "densenet-four-frameworks";
  const root = document.documentElement;
  const wide = window.matchMedia("(min-width: 62.5em)");
  // Said in the head, for the body is not there yet.
  const hasTabs = document.querySelector("meta[name=framework-tabs]") !== null;
  const listeners = [];

  // Anything may stand in storage or in an address: what is wrong is left out.
  // Columns are in the book's order, whatever the order of an address.
  const clean = (raw) => {
    const known = (list) =>
      names.filter((name) => Array.isArray(list) && list.includes(name));
    const compared = known(raw?.compared);
    const able = compared.length >= 2;
    const pair = known(raw?.pair).filter((name) => compared.includes(name));
    return {
      framework: names.includes(raw?.framework) ? raw.framework : names[0],
      compared: able ? compared : [],
      comparing: able && raw.comparing === true,
      pair: pair.length === 2 ? pair : compared.slice(0, 2),
      differences: raw?.differences === true,
      keys: raw?.keys !== false,
    };
  };

  const stored = () => {
    try {
      return JSON.parse(localStorage.getItem(key));
    } catch {
      return null; // Not what we wrote: as on a first visit.
    }
  };

  const store = () => localStorage.setItem(key, JSON.stringify(book.state));

  // Going back to a page does not bring back what its address once asked for.
  const asked = () => {
    const [visit] = performance.getEntriesByType("navigation");
    if (visit?.type !== "navigate" && stored()) return {};
    const query = new URLSearchParams(window.location.search);
    const list = query.get("compare")?.toLowerCase().split(/[\s,]+/);
    const framework = query.get("framework")?.trim().toLowerCase();
    const wanted = {};
    if (names.includes(framework)) {
      Object.assign(wanted, { framework, comparing: false });
    }
    if (list) wanted.comparing = clean({ compared: list }).compared.length > 0;
    if (list && wanted.comparing) wanted.compared = list;
    return wanted;
  };

  const show = (anchor) => {
    const settle = book.still?.(anchor);
    const { framework, compared, comparing } = book.state;
    root.dataset.framework = framework;
    book.columns = comparing && wide.matches && hasTabs ? compared : [];
    book.shown = book.columns.length ? book.columns : [framework];
    root.toggleAttribute("data-narrow", comparing && !wide.matches);
    if (book.columns.length) {
      root.dataset.columns = book.columns.length;
      root.dataset.compare = book.columns.join(" ");
    } else {
      delete root.dataset.columns;
      delete root.dataset.compare;
    }
    if (hasTabs && /[?&](framework|compare)=/.test(window.location.search)) {
      window.history.replaceState(window.history.state, "", book.link());
    }
    for (const listener of listeners) listener();
    settle?.();
  };

  const book = {
    names,
    state: null,
    columns: [], // The frameworks that stand side by side now: none in tabs.
    shown: [], // Those, or the one that the tabs show.

    // Takes over what changed; `anchor`, if given, stays where it is on the screen.
    set(change, anchor) {
      book.state = clean({ ...book.state, ...change });
      store();
      show(anchor);
    },

    // The address of this page as it is shown.
    link() {
      const { framework, compared, comparing } = book.state;
      const url = new URL(window.location.href);
      url.search = comparing ? `compare=${compared}` : `framework=${framework}`;
      return url.href;
    },

    // Calls the listener now and after each change.
    follow(listener) {
      listeners.push(listener);
      listener();
    },
  };
  window.frameworks = book;

  // Another window has chosen, this page comes back from the browser's cache, or what
  // the page before has written arrives late, for it may have had another process.
  const reread = () => {
    const state = clean({ ...book.state, ...stored() });
    if (JSON.stringify(state) === JSON.stringify(book.state)) return;
    book.state = state;
    show();
  };
  window.addEventListener("storage", (event) => {
    if (event.key === key) reread();
  });
  window.addEventListener("pageshow", reread);
  wide.addEventListener("change", () => show());

  const wanted = asked();
  book.state = clean({ ...stored(), ...wanted });
  if (Object.keys(wanted).length > 0) store();
  show();
})();
