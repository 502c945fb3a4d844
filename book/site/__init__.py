"""Sphinx extension: everything of the site that is not a page."""

from pathlib import Path
from typing import Any
from zlib import crc32

from sphinx.application import Sphinx
from sphinx.config import Config

FOLDER = Path(__file__).parent
EXTENSIONS = (
    "captions",
    "elements",
    "explorer_page",
    "links",
    "live_page",
    "mathematics",
    "not_found",
    "tabs",
    "worksheets",
)


def set_paths(app: Sphinx, config: Config) -> None:
    """Puts our templates before the theme's, and has files copied.

    Those of static/ are Jupyter Book's, which links each of them on all pages.
    """
    config.templates_path.append(str(FOLDER / "templates"))
    config.html_static_path += [
        str(FOLDER / "explorer"),
        str(FOLDER / "engine"),
        str(FOLDER / "katex"),
        str(FOLDER / "live"),
    ]


def own_version() -> int:
    """A number that changes with whatever the pages are made of besides their text.

    Sphinx then makes all pages anew: they name style sheets by their checksums.
    """
    kinds = {".css", ".html", ".js", ".py", ".svg"}
    paths = (path for path in FOLDER.rglob("*") if path.suffix in kinds)
    return crc32(b"".join(path.read_bytes() for path in sorted(paths)))


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the extension and its parts with Sphinx."""
    for name in EXTENSIONS:
        app.setup_extension(f"{__name__}.{name}")
    app.connect("config-inited", set_paths)
    return {"env_version": own_version(), "parallel_read_safe": True}
