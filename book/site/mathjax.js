// Sets formulas with MathJax: a JSON object {folder, macros, formulas: [[display, tex]]}
// on standard input, {html: [...], errors: {index: message}, css} on standard output.
"use strict";

const { readFileSync, writeSync } = require("node:fs");

const { folder, macros, formulas } = JSON.parse(readFileSync(0, "utf8"));
const load = (name) => require(`${folder}/js/${name}.js`);

const { mathjax } = load("mathjax");
const { TeX } = load("input/tex");
const { SVG } = load("output/svg");
const { liteAdaptor } = load("adaptors/liteAdaptor");
const { RegisterHTMLHandler } = load("handlers/html");
const { AssistiveMmlHandler } = load("a11y/assistive-mml");

// Without "noerrors" and "noundefined", what cannot be read is an error.
const packages = {
  base: "base/Base",
  ams: "ams/Ams",
  boldsymbol: "boldsymbol/Boldsymbol",
  braket: "braket/Braket",
  cancel: "cancel/Cancel",
  color: "color/Color",
  configmacros: "configmacros/ConfigMacros",
  mathtools: "mathtools/Mathtools",
  newcommand: "newcommand/Newcommand",
  textmacros: "textmacros/TextMacros",
};
for (const name of Object.values(packages)) load(`input/tex/${name}Configuration`);

const adaptor = liteAdaptor();
AssistiveMmlHandler(RegisterHTMLHandler(adaptor));
// Outlines need no font: nothing moves when one arrives.
const output = new SVG({ fontCache: "none" });
const rethrow = (jax, error) => {
  throw error;
};

const html = [];
const errors = {};
let page = null;
formulas.forEach(([display, tex], index) => {
  // An input of its own: a macro defined in one formula is not known in another.
  const input = new TeX({
    packages: Object.keys(packages),
    macros,
    formatError: rethrow,
  });
  page = mathjax.document("", { InputJax: input, OutputJax: output });
  try {
    html.push(adaptor.outerHTML(page.convert(tex, { display })));
  } catch (error) {
    html.push(null);
    errors[index] = error.message;
  }
});
const css = page ? adaptor.textContent(output.styleSheet(page)) : "";
writeSync(1, JSON.stringify({ html, errors, css }));
