"""What `python -m book` can do: a function for each subcommand."""

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from book.build.files import MACHINE
from book.build.source import FRAMEWORKS, Book, BookError


def run_command(arguments: Sequence[str] | None, root: Path | None) -> int:
    """Runs a subcommand on the book in `root`; returns the exit status."""
    book = Book(root)
    try:
        options = _options(arguments, book)
        if options.work in (_notebooks, _env):  # they write nothing
            return options.work(book, options) or 0
        with _alone(book):
            return options.work(book, options) or 0
    except BookError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in MACHINE:
            raise
        place = f"{error.filename}: " if error.filename else ""
        print(f"{place}{error.strerror}; {MACHINE[error.errno]}", file=sys.stderr)
        return 1


@contextmanager
def _alone(book: Book) -> Iterator[None]:
    """Waits until no other command writes into this book's folder."""
    folder = book.root / "_build"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        what = "Another command builds this book; this one waits until it has ended."
        print(what, file=sys.stderr, flush=True)
        held = lock.acquire()
    with held:
        yield


def _options(arguments: Sequence[str] | None, book: Book) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m book", description="Builds the book."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, (work, about) in _COMMANDS.items():
        command = commands.add_parser(name, help=about)
        command.set_defaults(work=work)
        only = "only this one (may be repeated)"
        if work in (_split, _run, _colab, _slides):
            names = book.chapter_names
            command.add_argument("--chapter", action="append", choices=names, help=only)
        if work in (_split, _run, _colab, _slides, _variant):
            command.add_argument(
                "--framework", action="append", choices=FRAMEWORKS, help=only
            )
        if work is _variant:
            which = "which variant, from 1"
            command.add_argument("--seed", type=_positive, required=True, help=which)
        if work in (_run, _colab):
            jobs = "notebooks at a time (default: 2)"
            command.add_argument("--jobs", type=_positive, default=2, help=jobs)
        if work is _colab:
            packages = "the Python with Colab's packages (default: this one)"
            command.add_argument(
                "--python", type=_python, default=sys.executable, help=packages
            )
            first = "stop each notebook after the cell that installs the library"
            command.add_argument("--only-first-cells", action="store_true", help=first)
        if work is _run:
            forced = "execute unchanged ones too"
            command.add_argument("--force", action="store_true", help=forced)
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be at least 1")
    return int(text)


def _python(text: str) -> Path:
    found = shutil.which(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text}: there is no such program")
    return Path(found).absolute()


def _selection(book: Book, options: argparse.Namespace) -> tuple[list, list]:
    names = options.chapter or book.chapter_names
    chosen = options.framework or FRAMEWORKS
    return (
        [chapter for chapter in book.chapters if chapter.name in names],
        [framework for framework in FRAMEWORKS if framework in chosen],
    )


def _split(book: Book, options: argparse.Namespace) -> None:
    from book.build.split import split
    from book.build.worksheets import write_worksheets

    split(book, *_selection(book, options))
    write_worksheets(book)


def _run(book: Book, options: argparse.Namespace) -> None:
    from book.build.run import run
    from book.build.worksheets import write_worksheets

    write_worksheets(book)
    run(book, *_selection(book, options), force=options.force, jobs=options.jobs)


def _colab(book: Book, options: argparse.Namespace) -> None:
    from book.build.colab import run_in_colab

    run_in_colab(
        book,
        *_selection(book, options),
        python=options.python,
        only_first_cells=options.only_first_cells,
        jobs=options.jobs,
    )


def _pages(book: Book, options: argparse.Namespace) -> None:
    from book.build.pages import write_pages

    write_pages(book, book.root / "_build/pages")


def _site(book: Book, options: argparse.Namespace) -> None:
    from book.build.html import build_site

    print("Building the site, half a minute if all pages are new …", flush=True)
    site = book.relative(build_site(book))
    print(f"The site is complete: open {site}/index.html, or call `make serve`.")


def _pdf(book: Book, options: argparse.Namespace) -> None:
    from book.build.pdf import build_pdf

    print("Building the site and printing it, a minute …", flush=True)
    print(f"The book is {book.relative(build_pdf(book))}.")


def _slides(book: Book, options: argparse.Namespace) -> None:
    from book.build.slides import write_slides

    for path in write_slides(book, *_selection(book, options)):
        print(book.relative(path))


def _variant(book: Book, options: argparse.Namespace) -> None:
    from book.build.worksheets import write_variant

    chosen = options.framework or FRAMEWORKS
    for path in write_variant(book, options.seed, chosen):
        print(book.relative(path))


def _check(book: Book, options: argparse.Namespace) -> int:
    from book.build.check import check

    problems = check(book)
    for problem in problems:
        print(problem)
    count = len(problems)
    print(f"{count} problems" if count else "The book is complete and up to date.")
    return 1 if problems else 0


def _notebooks(book: Book, options: argparse.Namespace) -> None:
    from d2l_lite import installed

    for framework in filter(installed, FRAMEWORKS):
        for chapter in book.chapters:
            print(book.relative(book.notebook_path(chapter, framework)))


def _env(book: Book, options: argparse.Namespace) -> None:
    """For `env $(python -m book env) pytest --nbval …`."""
    from book.build.inputs import ENVIRONMENT

    print(" ".join(f"{name}={value}" for name, value in ENVIRONMENT.items()))


_COMMANDS = {
    "split": (_split, "sources → notebooks and models"),
    "run": (_run, "split, then execute what has changed"),
    "colab": (_colab, "execute copies as Colab would"),
    "pages": (_pages, "executed notebooks → pages of the site"),
    "site": (_site, "pages → _build/html"),
    "pdf": (_pdf, "pages → one PDF"),
    "slides": (_slides, "executed notebooks → slides for a lecture"),
    "variant": (_variant, "worksheets with other numbers and bugs"),
    "check": (_check, "name what is stale, missing or broken"),
    "notebooks": (_notebooks, "list those that can run on this machine"),
    "env": (_env, "print the settings with which notebooks run"),
}
