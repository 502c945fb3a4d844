// Sets formulas with KaTeX, whose file is the first argument: a request of
// sphinxcontrib-katex in each line of standard input, an answer in each of its output.
"use strict";

const katex = require(process.argv[2]);

require("node:readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { latex, katex_options: options } = JSON.parse(line);
    let answer = null;
    try {
      answer = { html: katex.renderToString(latex, options) };
    } catch (error) {
      answer = { error: error.message };
    }
    console.log(JSON.stringify(answer));
  });
