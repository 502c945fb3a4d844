"""Has Jupyter Book build the pages; its warnings become faults of the sources."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

from book.build.files import MACHINE, write_if_changed
from book.build.kernel import plain
from book.build.source import Book, BookError

PACKAGE = Path(__file__).parents[2]
# Its command line would choose the folders itself.
BUILD = """
import sys
from jupyter_book.sphinx import build_sphinx
source, output, doctrees, config, contents = sys.argv[1:]
overrides = {"external_toc_path": contents, "nitpicky": True}
result = build_sphinx(source, output, doctreedir=doctrees, quiet=True,
    noconfig=True, path_config=config, warningiserror=True, keep_going=True,
    confoverrides=overrides | {"latex_individualpages": False})
sys.exit(result if isinstance(result, int) else 2)
"""
_WARNING = re.compile(r"(?:(/.+?)(?::(\d+))?: )?(?:WARNING|ERROR|CRITICAL): (.*)")


def run_sphinx(
    book: Book, pages: Path, output: Path, doctrees: Path
) -> list[BookError]:
    """Builds `pages` and returns what Sphinx warned of, each with its source and line.

    Raises BookError if Sphinx failed without a warning. What a build that failed, or
    was interrupted, has left in `doctrees` is not used again: Sphinx would take a page
    half-written for finished, and not repeat its warnings.
    """
    unfinished = doctrees / "unfinished"
    if unfinished.exists():
        shutil.rmtree(doctrees)
    write_if_changed(unfinished, "")
    files = (book.root / "_config.yml", book.root / "_toc.yml")
    arguments = map(str, (pages, output, doctrees, *files))
    # Not a pipe, which a process that Sphinx has left behind would keep open.
    with TemporaryFile("w+", encoding="utf-8") as said:
        result = subprocess.run(
            [sys.executable, "-c", BUILD, *arguments],
            env=os.environ | {"PYTHONPATH": str(PACKAGE), "PYTHONIOENCODING": "utf-8"},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        said.seek(0)
        text = plain(said.read()).strip()
    if not result.returncode:
        unfinished.unlink()
        return []
    faults = _faults(book, text.replace(f"{pages.resolve()}/", "/"))
    if not faults:
        failed = re.search(r"\[Errno (\d+)\] (.*)", text)
        if failed and int(failed[1]) in MACHINE:
            raise OSError(int(failed[1]), failed[2])
        raise BookError(f"the site cannot be built:\n{text}")
    return faults


def _faults(book: Book, text: str) -> list[BookError]:
    """Sphinx's messages; `/chapters/x.ipynb` is the page that chapters/x.md makes."""
    faults: list[tuple[str, int, list[str]]] = []
    text = re.sub(r"/(\w+/[\w-]+)\.(?:ipynb|rst)\b", r"/\1.md", text)
    for line in text.splitlines():
        if match := _WARNING.fullmatch(line):
            file, number, what = match.groups()
            faults.append(((file or "")[1:], int(number or bool(file)), [what]))
        elif faults and line.strip():
            faults[-1][2].append(line.strip())
    return [
        BookError(text := " ".join(what), file, _line(book.root / file, line, text))
        for file, line, what in faults
    ]


def _line(path: Path, start: int, text: str) -> int:
    """The line of what a message quotes, in the paragraph whose first line is given."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for word in re.findall(r"[\"'](.+?)[\"']", text):
        for number, line in enumerate(lines[start - 1 :], start):
            if word in line:
                return number
            if not line.strip():
                break
    return start
