// The tabs, the switcher in the header, and the keys.
(() => {
  "use strict";
  let book = null; // Scripts of a folder are loaded in any order.
  const title = (name) =>
    document.querySelector(`.framework-tab[data-framework=${name}]`).textContent;
  const say = (text) => {
    document.querySelector(".framework-status").textContent = text;
  };
  const list = (names) =>
    new Intl.ListFormat("en", { type: "conjunction" }).format(names.map(title));

  const choose = (framework, anchor) => book.set({ framework }, anchor);

  const toggleCompare = () => {
    const { framework, compared, comparing } = book.state;
    const other = book.names.find((name) => name !== framework);
    book.set({
      comparing: !comparing,
      compared: compared.length ? compared : [framework, other],
    });
    if (!book.state.comparing) say(`Tabs: ${title(framework)}`);
    else if (book.columns.length) say(`Comparing ${list(book.columns)}`);
    else say(document.querySelector(".framework-hint span").textContent);
  };

  const toggleDifferences = () => {
    if (!book.columns.length) return;
    book.set({ differences: !book.state.differences });
    say(
      book.state.differences
        ? `${document.querySelectorAll("mark.differs").length} lines are marked`
        : "No lines are marked",
    );
  };

  const next = () => {
    if (book.columns.length) return;
    const index = book.names.indexOf(book.state.framework) + 1;
    book.set({ framework: book.names[index % book.names.length] });
    say(title(book.state.framework));
  };

  const help = () => document.getElementById("framework-help").showModal();

  const copyLink = () => {
    window.ClipboardJS.copy(book.link());
    say("Link copied");
    const button = document.querySelector(".framework-link");
    button.classList.add("copied");
    button.addEventListener("pointerleave", () => button.classList.remove("copied"), {
      once: true,
    });
  };

  const actions = { f: next, c: toggleCompare, d: toggleDifferences, "?": help };
  const typing = "input:not([type=radio], [type=checkbox]), textarea, select, dialog";

  const onKey = (event) => {
    const action = actions[event.key];
    if (!action || !book.state.keys || event.repeat || event.defaultPrevented) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.isContentEditable || event.target.closest(typing)) return;
    event.preventDefault();
    action();
  };

  // https://www.w3.org/WAI/ARIA/apg/patterns/tabs/
  const onTabKey = (event) => {
    const tabs = [...event.currentTarget.children];
    const index = tabs.indexOf(event.target);
    const places = {
      ArrowRight: (index + 1) % tabs.length,
      ArrowLeft: (index + tabs.length - 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    };
    const tab = tabs[places[event.key]];
    if (!tab || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(tab.dataset.framework, event.currentTarget);
    tab.focus({ preventScroll: true });
  };

  // Shows the framework to which something on the page belongs, if it is not shown.
  const reveal = (element) => {
    const part = element?.closest(".framework-panel, .framework-tab");
    if (!part || book.shown.includes(part.dataset.framework)) return;
    book.set({ framework: part.dataset.framework, comparing: false });
    element.scrollIntoView({ behavior: "instant" });
  };

  const followHash = () => reveal(document.querySelector(":target"));

  const connect = (switcher) => {
    const { comparison, pair, keys } = switcher.elements;
    for (const tabs of document.querySelectorAll(".framework-list")) {
      tabs.addEventListener("click", ({ target }) => {
        if (target.dataset.framework) choose(target.dataset.framework, tabs);
      });
      tabs.addEventListener("keydown", onTabKey);
    }
    document.addEventListener("keydown", onKey);
    window.addEventListener("hashchange", followHash);
    // Before the browser shows what its search has found in a panel that is hidden.
    document.addEventListener("beforematch", ({ target }) => reveal(target));

    switcher.addEventListener("change", ({ target }) => {
      if (target.name === "framework") choose(target.value);
      if (target.name === "compared") {
        const checked = [...switcher.elements.compared].filter((box) => box.checked);
        book.set({ compared: checked.map((box) => box.value) });
      }
      if (target === pair) book.set({ pair: pair.value.split(" ") });
    });
    keys.addEventListener("change", () => book.set({ keys: keys.checked }));
    document
      .querySelector(".framework-hint button")
      .addEventListener("click", toggleCompare);
    comparison.addEventListener("click", toggleCompare);
    switcher.elements.differences.addEventListener("click", toggleDifferences);
    switcher.querySelector(".framework-link").addEventListener("click", copyLink);
    switcher.querySelector(".framework-help-button").addEventListener("click", help);
    switcher.addEventListener("submit", (event) => event.preventDefault());
  };

  const showSwitcher = (switcher) => {
    const { framework, compared, comparing, differences } = book.state;
    const { elements } = switcher;
    for (const field of elements.framework) {
      if (field.type === "radio") field.checked = field.value === framework;
      else field.value = framework;
    }
    for (const box of elements.compared) {
      box.checked = compared.includes(box.value);
      box.disabled = box.checked && compared.length === 2;
    }
    elements.comparison.setAttribute("aria-pressed", comparing);
    elements.differences.setAttribute("aria-pressed", differences);
    elements.keys.checked = book.state.keys;
    const pairs = compared.flatMap((one, index) =>
      compared.slice(index + 1).map((other) => [one, other]),
    );
    elements.pair.replaceChildren(
      ...pairs.map(
        ([one, other]) =>
          new Option(`${title(one)} – ${title(other)}`, `${one} ${other}`),
      ),
    );
    elements.pair.value = book.state.pair.join(" ");
    elements.pair.hidden = pairs.length < 2 || !differences;
    switcher.classList.add("ready");
  };

  const showTabs = () => {
    for (const tab of document.querySelectorAll(".framework-tab")) {
      const selected = tab.dataset.framework === book.state.framework;
      tab.setAttribute("aria-selected", selected);
      tab.tabIndex = selected ? 0 : -1;
    }
    // Who was on a tab is not left on one that is not chosen, or on nothing.
    const held = document.activeElement.closest?.(".framework-list");
    if (held) {
      const chosen = held.querySelector("[aria-selected=true]");
      const button = document.querySelector("[name=comparison]");
      (book.columns.length ? button : chosen).focus({ preventScroll: true });
    }
    const role = book.columns.length ? "group" : "tabpanel";
    for (const panel of document.querySelectorAll(".framework-panel")) {
      panel.setAttribute("role", role);
      panel.hidden = book.shown.includes(panel.dataset.framework) ? false : "until-found";
    }
    // The theme then sees anew which code can be scrolled, and lets keys reach it.
    window.dispatchEvent(new Event("resize"));
  };

  document.addEventListener("DOMContentLoaded", () => {
    const switcher = document.querySelector(".framework-switcher");
    if (!switcher) return;
    book = window.frameworks;
    connect(switcher);
    book.follow(() => {
      showSwitcher(switcher);
      showTabs();
    });
  });
  // Only then does a browser know the target of the page's address.
  window.addEventListener("load", () => book && followHash());
})();
