"""The engine in the browser is the frameworks' function, and says what it refuses."""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from book.build.source import Book
from d2l_lite import pytorch as d2l
from d2l_lite.data.transforms import normalise, pad
from d2l_lite.networks import imagenet, weights

sys.path.append(str(Path(__file__).parents[1] / "parity"))
from networks import NETWORKS, batch, perturbed  # noqa: E402

SCRIPTS = "network.js", "engine.js", "engine_worker.js"
READ = """async () => {
    const [file, images] = document.querySelector("input").files;
    const { metadata, tensors } = engine.parse(await file.arrayBuffer());
    window.net = engine.create(engine.describe(metadata, tensors), tensors);
    window.images = images && new Float32Array(await images.arrayBuffer());
}"""
LOGITS = """([count, options]) => {
    const size = images.length / count;
    return Array.from({ length: count }, (_, i) =>
        [...net.run(images.subarray(i * size, (i + 1) * size), options).logits]);
}"""
REFUSED = """async () => {
    const [file] = document.querySelector("input").files;
    try {
        const { metadata, tensors } = engine.parse(await file.arrayBuffer());
        engine.describe(metadata, tensors);
    } catch (error) { return error.message; }
}"""
PREPARED = """([width, height, bytes, metadata]) => [...engine.prepare(
    { data: Uint8ClampedArray.from(bytes), width, height }, metadata)]"""
# What a page does: loads, runs one network that it cancels and one that it waits for.
IN_WORKER = """async () => {
    const worker = engine.worker();
    const [file, images] = document.querySelector("input").files;
    const input = new Float32Array(await images.arrayBuffer());
    const seen = [];
    const until = (type, id) => new Promise((resolve) => {
        worker.onmessage = ({ data }) => {
            seen.push(data.type);
            if (data.type === type && data.id === id) resolve(data);
        };
    });
    const ask = (message, answer) => {
        const answered = until(answer, message.id);
        worker.postMessage(message);
        return answered;
    };
    await ask({ type: "load", id: 1, file: await file.arrayBuffer() }, "loaded");
    await ask({ type: "run", id: 2, input }, "progress");
    await ask({ type: "cancel", id: 2 }, "cancelled");
    const start = performance.now();
    const { logits, maps } = await ask(
        { type: "run", id: 3, input, keep: ["features.conv0"], label: 7 }, "result");
    const milliseconds = performance.now() - start;
    await ask({ type: "free" }, "freed");
    const refused = await ask({ type: "run", id: 4, input }, "error");
    worker.terminate();
    return { logits: [...logits], maps: Object.keys(maps), message: refused.message,
             progress: seen.filter((type) => type === "progress").length,
             milliseconds };
}"""


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    folder = Book().root / "book/site/engine"
    tags = "".join(f'<script src="{(folder / s).as_uri()}"></script>' for s in SCRIPTS)
    path = tmp_path_factory.mktemp("engine") / "page.html"
    path.write_text(
        f'<!doctype html><meta charset="utf-8">{tags}<input type="file" multiple>'
    )
    page = browser.new_page()
    page.goto(path.as_uri())
    yield page
    page.close()


def give(page, folder, content: bytes, images: np.ndarray | None = None) -> None:
    """Drops a file, and images as float32, on the page."""
    (folder / "net.safetensors").write_bytes(content)
    files = [folder / "net.safetensors"]
    if images is not None:
        files.append(folder / "images")
        files[1].write_bytes(images.tobytes())
    page.set_input_files("input", files)


def saved(net, folder) -> bytes:
    d2l.save(net, folder / "saved.safetensors")
    return (folder / "saved.safetensors").read_bytes()


def logits(page, folder, content, images, **options) -> np.ndarray:
    give(page, folder, content, images)
    page.evaluate(READ)
    return np.array(page.evaluate(LOGITS, [len(images), options]))


def check_equal(found, expected) -> None:
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def built(name, **changes):
    net = d2l.build(name, seed=0, **changes)
    d2l.set_weights(net, perturbed(d2l.get_weights(net)))
    return net


@pytest.fixture(scope="module")
def small():
    """The plain network, small: features 4 to 6 are block, transition, block."""
    row = NETWORKS[0]
    return built(row.build, **row.changes), batch(row, 1, 0)[0][:2]


@pytest.mark.parametrize("row", NETWORKS, ids=lambda row: row.name)
def test_logits_are_the_frameworks(row, page, tmp_path):
    net = built(row.build, **row.changes)
    channels = net.features[0].in_channels
    images = batch(row, channels, 0)[0][:2]
    check_equal(
        logits(page, tmp_path, saved(net, tmp_path), images), d2l.predict(net, images)
    )


def test_a_large_network_runs_in_a_worker(page, tmp_path, record_property):
    net = d2l.build("densenet121", seed=0)
    shape = 1, 3, 224, 224
    images = np.random.default_rng(0).standard_normal(shape, np.float32)
    give(page, tmp_path, saved(net, tmp_path), images)
    answer = page.evaluate(IN_WORKER)
    record_property("milliseconds", answer["milliseconds"])
    check_equal(np.array([answer["logits"]]), d2l.predict(net, images))
    assert answer["maps"] == ["features.conv0"]
    assert answer["progress"] > 5
    assert answer["message"] == "There is no network yet: load a file first."


FIRST, SECOND = (f"features.denseblock1.denselayer{i}" for i in (1, 2))
# The module that is hooked, the channels that it reads as 0, and the cut.
CONNECTIONS = {
    "layer": (lambda f: f[4].layers[1], (12, 20), {"from": FIRST, "to": SECOND}),
    "stem": (
        lambda f: f[4].layers[1],
        (0, 12),
        {"from": "features.conv0", "to": SECOND},
    ),
    "transition": (
        lambda f: f[5],
        (20, 28),
        {"from": SECOND, "to": "features.transition1"},
    ),
    "whole layer": (lambda f: f[4].layers[0], None, {"layer": FIRST}),
    "whole transition": (lambda f: f[5], None, {"layer": "features.transition1"}),
    "whole norm": (lambda f: f[10], None, {"layer": "features.norm5"}),
}


@pytest.mark.parametrize("case", CONNECTIONS)
def test_a_cut_is_a_zero(case, page, tmp_path, small):
    net, images = small
    module, channels, cut = CONNECTIONS[case]

    def without(_, inputs):
        changed = inputs[0].clone()
        changed[:, slice(*channels)] = 0
        return changed

    whole = d2l.predict(net, images)
    part = module(net.features)
    if channels:
        hook = part.register_forward_pre_hook(without)
    else:
        hook = part.register_forward_hook(
            lambda _, inputs, made: torch.zeros_like(made)
        )
    try:
        expected = d2l.predict(net, images)
    finally:
        hook.remove()
    assert np.abs(expected - whole).max() > 1e-3 * np.abs(whole).max()
    content = saved(net, tmp_path)
    check_equal(logits(page, tmp_path, content, images, cuts=[cut]), expected)


def test_maps_and_heat_map_are_pytorchs(page, tmp_path, small):
    net, images = small
    give(page, tmp_path, saved(net, tmp_path), images[:1])
    page.evaluate(READ)
    run = """(label) => {
        const { maps, probabilities } = net.run(images, { keep: "all" });
        const heat = engine.heatMap(maps["features.norm5"], net.row(label));
        return { probabilities: [...probabilities], heat: [...heat.data],
                 maps: Object.fromEntries(Object.entries(maps).map(
                     ([name, { data }]) => [name, [...data]])) };
    }"""
    answer = page.evaluate(run, 3)
    net.eval()
    with torch.no_grad():
        X = torch.from_numpy(images[:1])
        stem = net.features[:4](X)
        block = net.features[4](stem)
        last = net.features[:-2](X)
        heat = torch.einsum("c,chw->hw", net.classifier.weight[3], last[0]).relu()
        expected = {
            "features.conv0": stem,
            FIRST: block[:, 12:20],
            "features.transition1": net.features[5](block),
            "features.norm5": last,
        }
        for name, maps in expected.items():
            check_equal(np.array(answer["maps"][name]), maps.numpy().ravel())
        check_equal(np.array(answer["probabilities"]), net(X).softmax(dim=1)[0].numpy())
    assert heat.max() > 0
    check_equal(np.array(answer["heat"]), (heat / heat.max()).numpy().ravel())


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float64"])
def test_other_types_are_read(name, page, tmp_path, small):
    net, images = small
    arrays = {
        key: torch.from_numpy(array).to(getattr(torch, name))
        for key, array in d2l.get_weights(net).items()
    }
    rounded = d2l.build(NETWORKS[0].build, **NETWORKS[0].changes)
    d2l.set_weights(rounded, {k: a.float().numpy() for k, a in arrays.items()})
    found = logits(page, tmp_path, safetensors.torch.save(arrays), images)
    check_equal(found, d2l.predict(rounded, images))
    whole = d2l.predict(net, images)
    lost = np.abs(found - whole).max() / np.abs(whole).max()
    assert lost <= {"float16": 2e-3, "bfloat16": 2e-2, "float64": 1e-5}[name]


def test_other_files_get_one_sentence(page, tmp_path, small):
    net, _ = small
    good = saved(net, tmp_path)
    arrays = d2l.get_weights(net)
    stem, variance = "features.conv0.weight", "features.norm5.running_var"

    def changed(**new):
        names = {"stem": stem, "variance": variance}
        path = tmp_path / "changed.safetensors"
        weights.save(path, arrays | {names[k]: v for k, v in new.items()}, {})
        return path.read_bytes()

    def less(name):
        path = tmp_path / "less.safetensors"
        weights.save(path, {k: v for k, v in arrays.items() if k != name}, {})
        return path.read_bytes()

    nan = arrays[stem].copy()
    nan.flat[0] = np.nan

    def with_header(header, **entry):
        full = {"dtype": "I8", "shape": [2], "data_offsets": [0, 2]} | entry
        text = json.dumps(header if header != {} else {"a": full}).encode()
        return struct.pack("<Q", len(text)) + text + b"ab"

    cases = {
        b"": "no safetensors file",
        b"PK\3\4" + bytes(100): "no safetensors file",
        bytes(100): "no safetensors file",
        struct.pack("<Q", 8) + b"{broken}": "no safetensors file",
        struct.pack("<Q", 4) + b"{} 1": "no safetensors file",
        good[:50]: "cut off",
        good[:-1]: "cut off within",
        with_header([0, 1]): "no safetensors file",
        with_header({"a": None}): "does not say where a is",
        with_header({}): "numbers of type I8",
        with_header({}, dtype="toString"): "numbers of type toString",
        with_header({}, dtype="F16", shape=[-1, -1]): "does not say where a is",
        with_header({}, dtype="F16", data_offsets=[-2, 0]): "does not say where a is",
        with_header({}, dtype="F16", shape=[5]): "has 2 bytes and not those",
        safetensors.torch.save({"a": torch.zeros(2)}): "not the weights of a DenseNet",
        changed(stem=arrays[stem][:, :0]): "not the weights of a DenseNet",
        changed(stem=arrays[stem][:, :, :3, :3]): "expected 12×1×7×7",
        changed(stem=nan): "no finite number",
        changed(variance=-arrays[variance]): "negative variance",
        less(variance): "is missing",
        less("features.transition1.conv.weight"): "transition1.conv.weight is missing",
    }
    for content, sentence in cases.items():
        give(page, tmp_path, content)
        message = page.evaluate(REFUSED)
        assert message and sentence in message and message.count(". ") == 0
    give(page, tmp_path, good, np.zeros((1, 1, 32, 32), np.float32))
    page.evaluate(READ)
    runs = {
        "net.run(new Float32Array(3072))": "1 channels of a square",
        "net.run(new Float32Array(9))": "too small",
        "net.run(images, { cuts: [{ layer: 'x' }] })": "nothing to cut at x",
        "net.row(10)": "the classes 0 to 9",
        "engine.prepare({ data: [], width: 1, height: 1 }, { mean: [1, 1] })": "1 or 3",
    }
    for call, sentence in runs.items():
        message = page.evaluate(
            f"() => {{ try {{ {call}; }} catch (error) {{ return error.message; }} }}"
        )
        assert message and sentence in message


def test_pictures_are_prepared_as_the_library_does(page):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 280, 4), np.uint8)
    pixels[..., 3] = 255

    def prepared(part, **metadata):
        height, width, _ = part.shape
        call = [width, height, part.ravel().tolist(), metadata]
        return np.array(page.evaluate(PREPARED, call), np.float32)

    grey = pixels[:28, :28].copy()
    grey[..., :3] = grey[..., :1]
    expected = normalise(pad(grey[None, None, ..., 0], 2), (0.286,), (0.353,))
    found = prepared(grey, mean=[0.286], std=[0.353], size=32)
    np.testing.assert_allclose(found, expected.ravel(), atol=1e-5)

    # Pillow rounds to whole levels in each of two passes.
    square = pixels[10:290]
    found = prepared(square, arguments={"in_channels": 3, "num_classes": 1000})
    expected = imagenet.prepare(Image.fromarray(square[..., :3].copy()))
    assert np.abs(found - expected.ravel()).max() <= 1.01 / 255 / 0.224
