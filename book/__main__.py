"""Command line of the book: `python -m book --help` lists the subcommands."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from book.build.source import FRAMEWORKS, Book, BookError


def main(arguments: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Runs a subcommand on the book in `root`; returns the exit status."""
    book = Book(root)
    try:
        options = _options(arguments, book)
        return _COMMANDS[options.command](book, options) or 0
    except BookError as error:
        print(error, file=sys.stderr)
        return 1


def _options(arguments: Sequence[str] | None, book: Book) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m book", description="Builds the book."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    split = commands.add_parser("split", help="sources → notebooks and models")
    run = commands.add_parser("run", help="split, then execute what has changed")
    colab = commands.add_parser("colab", help="execute copies as Colab would")
    commands.add_parser("pages", help="executed notebooks → pages of the site")
    commands.add_parser("site", help="pages → _build/html")
    commands.add_parser("pdf", help="pages → one PDF")
    commands.add_parser("check", help="name what is stale, missing or broken")
    commands.add_parser("notebooks", help="list those that can run on this machine")
    commands.add_parser("env", help="print the settings with which notebooks run")
    for command in (split, run, colab):
        for option, choices in (
            ("--chapter", book.chapter_names),
            ("--framework", FRAMEWORKS),
        ):
            only = "only this one (may be repeated)"
            command.add_argument(option, action="append", choices=choices, help=only)
    run.add_argument("--force", action="store_true", help="execute unchanged ones too")
    for command in (run, colab):
        command.add_argument(
            "--jobs", type=_positive, default=2, help="notebooks at a time (default: 2)"
        )
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be at least 1")
    return int(text)


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

    run_in_colab(book, *_selection(book, options), jobs=options.jobs)


def _pages(book: Book, options: argparse.Namespace) -> None:
    from book.build.pages import write_pages

    write_pages(book)


def _site(book: Book, options: argparse.Namespace) -> None:
    from book.build.html import build_site

    build_site(book)


def _pdf(book: Book, options: argparse.Namespace) -> None:
    from book.build.pdf import build_pdf

    print(book.relative(build_pdf(book)))


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
    "split": _split,
    "run": _run,
    "colab": _colab,
    "pages": _pages,
    "site": _site,
    "pdf": _pdf,
    "check": _check,
    "notebooks": _notebooks,
    "env": _env,
}

if __name__ == "__main__":
    sys.exit(main())
