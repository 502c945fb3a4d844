"""Building the book in a temporary copy of the repository's last commit.

    python -m benchmarks.contenders.building ours|jupyter-book unchanged|edited|forced

`ours` is `make book`. `jupyter-book` builds PyTorch's notebooks alone, as it would with
its own cache of outputs. A round is a build: with nothing changed, after a word of one
chapter was edited, or with all notebooks executed anew.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from jupyter_cache import get_cache

from benchmarks.contender import serve
from benchmarks.race import ROOT

BIN = Path(sys.executable).parent
CHAPTER = "dense_blocks"
CONFIG = "title: DenseNet\nexecute: {execute_notebooks: cache, timeout: 600}\n"


def call(*command: str | Path, folder: Path) -> None:
    """Run a program quietly; what it says shows where it fails."""
    # The copy's own packages, not those that the contender was started with.
    environment = {
        name: os.environ[name] for name in os.environ if name != "PYTHONPATH"
    }
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} fails in {folder}:\n{done.stdout}")


def edit(path: Path, original: str, number: int) -> None:
    """Put a word of prose, another one for each number, into a chapter's text."""
    path.write_text(original.replace(" the ", f" the {number}th ", 1), encoding="utf-8")


def ours(folder: Path, forced: bool) -> tuple[Path, Callable[[], None]]:
    """The file to edit, and what builds."""
    call("git", "clone", "--quiet", ROOT, "book", folder=folder)
    book = folder / "book"
    # Nothing is to be installed: this environment has it all.
    (book / ".venv").mkdir()
    (book / ".venv/installed").touch()
    if not forced:
        # Notebooks that are out of date would run, and be measured.
        call(BIN / "python", "-m", "book", "check", folder=book)

    def build() -> None:
        if forced:
            call(BIN / "python", "-m", "book", "run", "--force", folder=book)
        call("make", f"BIN={BIN}", "book", folder=book)

    return book / f"chapters/{CHAPTER}.md", build


def jupyter_book(folder: Path, forced: bool) -> tuple[Path, Callable[[], None]]:
    call("git", "clone", "--quiet", ROOT, "book", folder=folder)
    chapters = folder / "book/chapters/pytorch"
    notebooks = sorted(chapters.glob("*.ipynb"))
    files = "".join(f"- file: {path.stem}\n" for path in notebooks[1:])
    contents = f"format: jb-book\nroot: {notebooks[0].stem}\nchapters:\n{files}"
    (chapters / "_toc.yml").write_text(contents, encoding="utf-8")
    (chapters / "_config.yml").write_text(CONFIG, encoding="utf-8")
    outputs = chapters / "_build"

    def build() -> None:
        if forced:
            shutil.rmtree(outputs)
        call(BIN / "jupyter-book", "build", chapters, folder=chapters)

    # The committed outputs, as if it had executed the notebooks itself.
    cache = get_cache(outputs / ".jupyter_cache")
    for path in notebooks:
        cache.cache_notebook_file(path, check_validity=False)
    return chapters / f"{CHAPTER}.ipynb", build


def main(whose: str, how: str) -> None:
    with TemporaryDirectory(prefix="book-") as name:

        def set_up() -> Callable[[], float]:
            prepare = {"ours": ours, "jupyter-book": jupyter_book}[whose]
            path, build = prepare(Path(name), how == "forced")
            original, rounds = path.read_text(encoding="utf-8"), iter(range(10**6))
            if how != "forced":
                build()
                build()

            def measure() -> float:
                if how == "edited":
                    edit(path, original, next(rounds))
                start = time.perf_counter()
                build()
                return time.perf_counter() - start

            return measure

        serve(set_up)


if __name__ == "__main__":
    main(*sys.argv[1:])
