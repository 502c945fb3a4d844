"""Makes _build/pdf/…: the whole book as a PDF, by Jupyter Book and LaTeX."""

import os
import shutil
import subprocess
from pathlib import Path

from book.build.history import git
from book.site.latex.log import report
from book.build.html import output_folder, run_jupyter_book
from book.build.source import Book, BookError

PROGRAMS = ("latexmk", "xelatex", "rsvg-convert")
# Debian's: the programs, LaTeX's own packages, and the fonts of book/latex/print.sty.
PACKAGES = Path(__file__).parents[1] / "site/latex" / "packages.txt"
INSTALL = "On Debian: apt-get install --no-install-recommends " + " ".join(
    PACKAGES.read_text(encoding="utf-8").split()
)
# Of faults that are shown; after an error most of the rest are its consequences.
SHOWN = 30


def missing_programs() -> list[str]:
    """What the PDF needs and this machine lacks."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def build_pdf(book: Book) -> Path:
    """Builds the PDF and returns its path.

    Raises:
        BookError: LaTeX is not installed, Sphinx warned, or LaTeX's log tells of an
            error, a missing character, a reference to nowhere, or text off the page.
    """
    if missing := missing_programs():
        raise BookError(f"the PDF needs {', '.join(missing)}.\n{INSTALL}")
    source = output_folder(book, "latex") / "latex" / targetname(book)
    date = date_of_commit(book)
    run_jupyter_book(book, "latex", date)
    run_latex(book, source, date)
    pdf = book.root / "_build/pdf" / f"{source.stem}.pdf"
    pdf.parent.mkdir(exist_ok=True)
    shutil.copy2(source.with_suffix(".pdf"), pdf)
    return pdf


def targetname(book: Book) -> str:
    """The name of the LaTeX file, which gives the PDF its own."""
    name = book.config["latex"]["latex_documents"]["targetname"]
    if not name.endswith(".tex"):
        raise BookError(f"_config.yml: `targetname: {name}` must end in .tex")
    return name


def date_of_commit(book: Book) -> dict[str, str]:
    """The last commit's time for what writes a date: equal sources, equal PDFs.

    Without git, or outside a repository, they write today's date.
    """
    time = (git(book.root, "log", "-1", "--format=%ct") or "").strip()
    return {"SOURCE_DATE_EPOCH": time} if time.isdecimal() else {}


def run_latex(book: Book, source: Path, environment: dict[str, str]) -> None:
    """Runs LaTeX until references stand still, and reads what it wrote.

    Raises:
        BookError: the log tells of a fault; the message says where in the book.
    """
    log = source.with_suffix(".log")
    log.unlink(missing_ok=True)
    result = subprocess.run(
        [
            *("latexmk", "-g", "-r", "latexmkrc", "-xelatex", "-file-line-error"),
            *("-interaction=nonstopmode", "-quiet", source.name),
        ],
        cwd=source.parent,
        # Long lines, so that no message of the log is cut in two.
        env=os.environ
        | environment
        | {"max_print_line": "10000", "error_line": "254", "half_error_line": "238"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if not log.exists():
        raise BookError(f"LaTeX has not run:\n{result.stdout.strip()}\n{INSTALL}")
    found = report(
        log.read_text(encoding="utf-8", errors="replace"),
        source.read_text(encoding="utf-8"),
    )
    if result.returncode and not found:
        found = [result.stdout.strip()]
    if found:
        # latexmk would not run again for what has not changed.
        source.with_suffix(".fdb_latexmk").unlink(missing_ok=True)
        lines = "\n".join(f"  {line}" for line in found[:SHOWN])
        more = f"\n  … and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        hint = f"\n{INSTALL}" if _lacks_files(found) else ""
        raise BookError(
            f"the PDF has faults ({book.relative(log)} tells more):\n"
            f"{lines}{more}{hint}"
        )


def _lacks_files(found: list[str]) -> bool:
    """Whether LaTeX misses a package or a font."""
    signs = ("not found", "cannot be found", "not loadable")
    return any(sign in line for line in found for sign in signs)
