"""Removes from the built site what no page asks for: most of what themes bring."""

import re
import shutil
from pathlib import Path

from book.build.files import write_if_changed
from book.site.icons import ICONS, icons_css

TEXT = {".html", ".css", ".js"}
SOURCE_MAP = re.compile(r"^\s*(?://|/\*)# sourceMappingURL=.*$", re.MULTILINE)
FILE_NAME = re.compile(r"[\w.-]+\.\w+")


def slim(site: Path) -> None:
    """Makes the site's icons, then removes the files of _static that nothing names."""
    static = site / "_static"
    pages = [path for path in site.rglob("*.html") if static not in path.parents]
    shutil.rmtree(static / "vendor", ignore_errors=True)  # Font Awesome, whole
    own = [path for path in static.rglob("*") if path.is_file()]
    for path in own:
        if path.suffix in {".css", ".js"}:
            text = path.read_text(encoding="utf-8")
            write_if_changed(path, SOURCE_MAP.sub("", text))
    scripts = [path for path in own if path.suffix == ".js"]
    styles = [path for path in own if path.suffix == ".css" and path.name != ICONS]
    css = icons_css(joined(pages + scripts), joined(styles))
    write_if_changed(static / ICONS, css)
    named = reachable(site, pages)
    for path in sorted(static.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.name not in named and not path.name.startswith("LICENSE"):
            path.unlink()


def joined(paths: list[Path]) -> str:
    """The files' text, one after another."""
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def reachable(site: Path, pages: list[Path]) -> set[str]:
    """The names of files that a page names, or a file that a page names, and so on."""
    files: dict[str, list[Path]] = {}
    for path in (site / "_static").rglob("*"):
        if path.is_file():
            files.setdefault(path.name, []).append(path)
    named: set[str] = set()
    todo = list(pages)
    while todo:
        found = set(FILE_NAME.findall(todo.pop().read_text(encoding="utf-8")))
        for name in (found & files.keys()) - named:
            named.add(name)
            todo += [path for path in files[name] if path.suffix in TEXT]
    return named
