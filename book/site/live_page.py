"""Sphinx extension: the page on which a trained network runs in the browser."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from d2l_lite.data.fashion_mnist import FashionMNIST, read

from .explorer_page import STYLE as EXPLORER_STYLE
from .explorer_page import load_beside

FOLDER = Path(__file__).with_name("live")
ROOT = FOLDER.parents[2]
NETWORK = ROOT / "chapters/files/results/densenet-small-pytorch/best.safetensors"
DATA = "live_data.js"
SCRIPTS = ("network.js", "engine.js", "engine_worker.js", DATA, "live.js")
STYLES = (EXPLORER_STYLE, "live.css")
PER_CLASS = 2


def garments() -> tuple[np.ndarray, list[int]]:
    """Two pictures (20×28×28) per class of the sample's test set, and their labels."""
    _, test = read("quick")
    labels = np.asarray(test.labels)
    chosen = np.concatenate(
        [np.flatnonzero(labels == label)[:PER_CLASS] for label in range(10)]
    )
    return np.asarray(test.images)[chosen].reshape(-1, 28, 28), labels[chosen].tolist()


def data() -> str:
    """The script that holds network and pictures: under file:// no other is read."""
    pictures, labels = garments()
    held = {
        "network": base64.b64encode(NETWORK.read_bytes()).decode(),
        "pictures": base64.b64encode(pictures.tobytes()).decode(),
        "labels": labels,
        "classes": FashionMNIST.classes,
    }
    return f"window.live = {json.dumps(held)};\n"


def still() -> str:
    """The garments in two rows as a picture within the page."""
    pictures, _ = garments()
    rows = np.concatenate([np.hstack(pictures[i::2]) for i in range(2)])
    stream = io.BytesIO()
    Image.fromarray(rows).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


class Live(SphinxDirective):
    """The page's parts, and a picture for who has no JavaScript."""

    def run(self) -> list[nodes.Node]:
        html = (FOLDER / "live.html").read_text(encoding="utf-8")
        html = html.replace("STILL", still())
        return [nodes.raw("", html, format="html", classes=["live-page"])]


def write_data(app: Sphinx) -> None:
    """Writes the data beside the scripts, once per build."""
    if app.builder.format == "html":
        folder = Path(app.outdir, "_static")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DATA).write_text(data(), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension with Sphinx."""
    app.add_directive("live", Live)
    app.connect("builder-inited", write_data)
    app.connect("html-page-context", load_beside("live-page", SCRIPTS, STYLES))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
