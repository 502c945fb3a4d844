// Shows under each result the sections where the words stand. The texts come with the
// site, because a page that is opened from a folder cannot fetch another one.
"use strict";
(() => {
  const PLACES = 3;
  const AROUND = 90;
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  const query = new URLSearchParams(window.location.search).get("q") ?? "";
  const stemmer = new Stemmer();
  const patterns = splitQuery(query.toLowerCase()).map((word) => {
    const stem = stemmer.stemWord(word);
    const start = word.startsWith(stem) ? stem : word;
    return new RegExp(`(?<![\\p{L}\\p{N}])${start}[\\p{L}\\p{N}_]*`, "giu");
  });

  // Which of a page's sections hold most of the words, first the best.
  const placesOf = (sections) =>
    sections
      .map(([anchor, title, text]) => {
        const all = `${title} ${text}`;
        const words = patterns.filter((pattern) => all.search(pattern) >= 0).length;
        return { anchor, title, text, words };
      })
      .filter(({ words }) => words > 0)
      .sort((a, b) => b.words - a.words);

  // The text around the first of the words, with all of them marked.
  const passage = (text) => {
    const found = patterns.map((pattern) => text.search(pattern)).filter((at) => at >= 0);
    if (!found.length) return null;
    const at = Math.min(...found);
    const from = at > AROUND ? text.indexOf(" ", at - AROUND) + 1 : 0;
    const end = text.length > at + 2 * AROUND ? text.lastIndexOf(" ", at + 2 * AROUND) : 0;
    const cut = text.slice(from, end > at ? end : undefined);
    const line = document.createElement("p");
    line.className = "search-passage";
    let last = 0;
    const hits = patterns.flatMap((pattern) => [...cut.matchAll(pattern)]);
    for (const hit of hits.sort((a, b) => a.index - b.index)) {
      if (hit.index < last) continue;
      const mark = document.createElement("mark");
      mark.textContent = hit[0];
      line.append(cut.slice(last, hit.index), mark);
      last = hit.index + hit[0].length;
    }
    line.append(cut.slice(last));
    if (from > 0) line.prepend("… ");
    if (end > at) line.append(" …");
    return line;
  };

  const explain = (item) => {
    const link = item.querySelector("a");
    const [path, hash] = link.getAttribute("href").split("#");
    const sections = window.bookTexts[path.replace(/\.html$/, "")] ?? [];
    if (hash) {
      const own = sections.find(([anchor]) => anchor === hash);
      const line = own && passage(own[2]);
      if (line) item.append(line);
      return;
    }
    const list = document.createElement("ul");
    for (const { anchor, title, text } of placesOf(sections).slice(0, PLACES)) {
      const place = document.createElement("li");
      const to = document.createElement("a");
      to.href = `${path}#${anchor}`;
      to.textContent = title;
      place.append(to);
      const line = passage(text);
      if (line) place.append(line);
      list.append(place);
    }
    if (list.children.length) item.append(list);
  };

  document.addEventListener("DOMContentLoaded", () => {
    const results = document.querySelector("#search-results");
    const observer = new MutationObserver((changes) => {
      for (const { target, addedNodes } of changes) {
        if (!target.matches("ul.search")) continue;
        for (const node of addedNodes) explain(node);
      }
    });
    // Sphinx shows the first result at once.
    for (const item of results.querySelectorAll("ul.search > li")) explain(item);
    observer.observe(results, { childList: true, subtree: true });
  });
})();
