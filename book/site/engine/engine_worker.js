// The engine in a worker, so that the page answers while a large network runs.
//
// To it: {type: "load", id, file: ArrayBuffer}, {type: "run", id, input, cuts, keep,
// label}, {type: "cancel"}, {type: "free"}. From it: {type: "loaded", id, metadata,
// description}, {type: "progress", id, done, total}, {type: "result", id, logits,
// probabilities, maps, heat}, {type: "cancelled", id}, {type: "freed"}, {type: "error",
// id, message}. A run ends the one before it.
(() => {
  "use strict";

  const serve = (scope) => {
    // Milliseconds between two looks at new messages.
    const PAUSE = 40;
    let net = null;
    let newest = 0; // of the runs; one that is no longer the newest ends

    const load = ({ id, file }) => {
      newest += 1;
      net = null;
      const { metadata, tensors } = scope.engine.parse(file);
      const description = scope.engine.describe(metadata, tensors);
      net = scope.engine.create(description, tensors);
      scope.postMessage({ type: "loaded", id, metadata, description });
    };

    const run = async ({ id, input, cuts = [], keep = [], label }) => {
      newest += 1;
      const own = newest;
      if (!net) throw new Error("There is no network yet: load a file first.");
      const row = label === undefined ? null : net.row(label);
      // The heat map needs the last maps, wanted by the page or not.
      const last = "features.norm5";
      const kept = !row || keep === "all" ? keep : [...keep, last];
      const work = net.steps(input, { cuts, keep: kept });
      let looked = performance.now();
      let step = work.next();
      while (!step.done) {
        if (performance.now() - looked > PAUSE) {
          scope.postMessage({ type: "progress", id, ...step.value });
          await new Promise((resolve) => { setTimeout(resolve); });
          looked = performance.now();
          if (own !== newest) {
            scope.postMessage({ type: "cancelled", id });
            return;
          }
        }
        step = work.next();
      }
      const { maps } = step.value;
      const heat = row ? scope.engine.heatMap(maps[last], row) : undefined;
      if (keep !== "all" && !keep.includes(last)) delete maps[last];
      const buffers = Object.values(maps).map(({ data }) => data.buffer);
      scope.postMessage({ type: "result", id, ...step.value, heat }, buffers);
    };

    const free = () => {
      newest += 1;
      net = null;
      scope.postMessage({ type: "freed" });
    };

    const tasks = { load, run, free, cancel: () => { newest += 1; } };
    scope.onmessage = async ({ data }) => {
      try {
        await tasks[data.type](data);
      } catch (error) {
        scope.postMessage({ type: "error", id: data.id, message: error.message });
      }
    };
  };

  // Pages under file:// may not load a worker's file: it is made of the scripts' text.
  globalThis.engine.worker = () => {
    const text = `${globalThis.network.source}${globalThis.engine.source}(${serve})(globalThis);`;
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const worker = new Worker(address);
    // Not before it has answered: the address must hold until its text is read.
    worker.addEventListener("message", () => URL.revokeObjectURL(address), { once: true });
    return worker;
  };
})();
