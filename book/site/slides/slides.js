"use strict";

// The lecturer's keys: arrows, space and page keys (as a remote control has them) go through the slides,
// Home and End to the first and last, N opens the notes in a window of their own.
const slides = [...document.querySelectorAll("section")];
const steps = {
  ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1,
  Home: -Infinity, End: Infinity,
};
const started = Date.now();
let current = 0;
let notes = null;

function go(number) {
  current = Math.max(0, Math.min(slides.length - 1, number));
  slides[current].scrollIntoView();
  tell();
}

function tell() {
  history.replaceState(null, "", `#${current + 1}`);
  if (!notes || notes.closed) return;
  const next = slides[current + 1]?.querySelector("h1, h2, h3")?.innerHTML ?? "the end";
  notes.document.querySelector("main").innerHTML =
    `<p>Slide ${current + 1} of ${slides.length}, next: ${next}</p>` +
    slides[current].querySelector("h1, h2, h3").outerHTML +
    slides[current].querySelector("aside").innerHTML;
}

function openNotes() {
  notes = window.open("", "notes", "width=700,height=800");
  if (!notes) return;
  notes.document.title = `Notes: ${document.title}`;
  const style = document.querySelector("style").textContent;
  notes.document.head.innerHTML = `<style>${style} :root { font-size: 12px } html { scroll-snap-type: none }
    main { padding: 1rem } time { float: right; padding: 1rem }</style>`;
  notes.document.body.innerHTML = "<time></time><main></main>";
  notes.document.onkeydown = onKey;
  tell();
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key in steps) go(current + steps[event.key]);
  else if (event.key === "n") openNotes();
  else return;
  event.preventDefault();
}

// Makes the letters smaller until nothing of a slide is outside of its frame.
function fit(slide) {
  const body = slide.querySelector("div");
  const parts = [...body.querySelectorAll(":scope > *, figure > *, figure > div > *, pre")];
  const fits = () => {
    const frame = body.getBoundingClientRect();
    return parts.every((part) => {
      const box = part.getBoundingClientRect();
      return box.top > frame.top - 1 && box.bottom < frame.bottom + 1 && box.right < frame.right + 1 &&
        part.scrollWidth < part.clientWidth + 2;
    });
  };
  for (let size = 1.6; size > 0.5 && !fits(); size -= 0.05) body.style.fontSize = `${size}rem`;
}

document.addEventListener("keydown", onKey);
document.addEventListener("scrollend", () => {
  current = Math.round(scrollY / innerHeight);
  tell();
});
addEventListener("resize", () => slides[current].scrollIntoView());
setInterval(() => {
  if (!notes || notes.closed) return;
  const minutes = Math.floor((Date.now() - started) / 60000);
  notes.document.querySelector("time").textContent = `${minutes} min`;
}, 1000);
document.fonts.ready.then(() => {
  slides.forEach(fit);
  document.documentElement.dataset.ready = "";
  go(Number(location.hash.slice(1)) - 1 || 0);
});
