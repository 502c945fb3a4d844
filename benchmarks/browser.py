"""Milliseconds per picture of the browser's engine, and against onnxruntime-web.

`python -m benchmarks.browser [FOLDER]`: FOLDER is onnxruntime-web's as `npm pack
onnxruntime-web` and `tar xzf` unpack it, and needs the package onnx; without FOLDER the
engine runs alone. Both compute on one thread of a headless Chromium, in turns.
"""

import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from benchmarks.race import ROOT
from book.build.pdf import launch
from d2l_lite import pytorch as d2l
from d2l_lite.networks.onnx_file import export

NETWORKS = {
    "densenet": (1, 1, 32, 32),
    "densenet-bc-40-12": (1, 3, 32, 32),
    "densenet121": (1, 3, 224, 224),
}
SCRIPTS = "network.js", "engine.js"
PEER = "ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
ROUNDS = 7
# The medians of both, in milliseconds, and the largest relative difference of logits.
MEASURE = """async ([name, shape, rounds, peer]) => {
    const read = async (file) => (await fetch(file)).arrayBuffer();
    const { metadata, tensors } = engine.parse(await read(`${name}.safetensors`));
    const net = engine.create(engine.describe(metadata, tensors), tensors);
    const input = Float32Array.from({ length: shape.reduce((a, b) => a * b) },
        (_, i) => Math.sin(i));
    const contenders = { engine: () => net.run(input).logits };
    if (peer) {
        ort.env.wasm.numThreads = 1;
        const session = await ort.InferenceSession.create(await read(`${name}.onnx`));
        const tensor = new ort.Tensor("float32", input, shape);
        const feeds = { [session.inputNames[0]]: tensor };
        contenders.peer = async () =>
            (await session.run(feeds))[session.outputNames[0]].data;
    }
    const times = {}, logits = {};
    for (let round = 0; round <= rounds; round++) {
        for (const [key, run] of Object.entries(contenders)) {
            const start = performance.now();
            logits[key] = await run();
            // The first round warms up.
            if (round) (times[key] ??= []).push(performance.now() - start);
        }
    }
    const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
    const largest = (list) => Math.max(...[...list].map(Math.abs));
    const { engine: own, peer: other = own } = logits;
    return [median(times.engine), peer ? median(times.peer) : null,
            largest(own.map((x, i) => x - other[i])) / largest(other)];
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_):
        pass


def prepare(folder: Path, peer: Path | None) -> None:
    """Puts networks, scripts and a page that loads them into a folder."""
    for name in SCRIPTS:
        copy(ROOT / "book/site/engine" / name, folder)
    for name in PEER if peer else ():
        copy(peer / "dist" / name, folder)
    scripts = [*SCRIPTS, *PEER[: 1 if peer else 0]]
    tags = "".join(f'<script src="{name}"></script>' for name in scripts)
    (folder / "page.html").write_text(f'<!doctype html><meta charset="utf-8">{tags}')
    for name in NETWORKS:
        d2l.save(d2l.build(name, seed=0), folder / f"{name}.safetensors")
        if peer:
            export(folder / f"{name}.safetensors", folder / f"{name}.onnx")


def main(peer: Path | None = None) -> None:
    """Prints a line for each network."""
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        prepare(Path(name), peer)
        handler = partial(Quiet, directory=name)
        with (
            ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
            launch(playwright) as browser,
        ):
            threading.Thread(target=server.serve_forever, daemon=True).start()
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/page.html")
            for network, shape in NETWORKS.items():
                call = [network, shape, ROUNDS, bool(peer)]
                ours, theirs, difference = page.evaluate(MEASURE, call)
                line = f"{network}: {ours:.1f} ms"
                if theirs:
                    line += (
                        f", onnxruntime-web {theirs:.1f} ms, {ours / theirs:.1f} times"
                    )
                    line += f", logits differ by {difference:.1e}"
                print(line)
            server.shutdown()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
