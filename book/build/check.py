"""Names every fault of the book: file, line, what is wrong and what to do."""

from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from book.build.check_references import Problem, references
from book.build.inputs import inputs, is_executed, recorded_inputs
from book.build.labels import Labels, read_labels, sources
from book.build.models import models_text
from book.build.pages import page_notebook
from book.build.run import stderr
from book.build.source import (
    FRAMEWORKS,
    Book,
    BookError,
    Chapter,
    covered,
    groups,
    stated_reason,
)
from book.build.split import notebook_text, read_notebook
from book.build.worksheets import (
    FOLDER,
    read_worksheets,
    worksheet_labels,
    worksheet_texts,
)
from d2l_lite import TITLES, installed

IMAGES = ("image/png", "image/svg+xml", "image/jpeg")
SPLIT = "run `python -m book split`"
RUN = "run `python -m book run`"
# Bytes of the files that notebooks share: each one, and a chapter's together.
FILE_LIMIT, FILES_LIMIT = 1_000_000, 2_000_000


def check(book: Book) -> list[str]:
    """All problems, sorted by file and line; empty when the book is right.

    The notebooks of a framework that is not installed cannot be executed here: that
    they have not been is no problem, and a printed line says so.
    """
    labels = read_labels(book)
    problems: list[Problem] = []
    for chapter in book.chapters:
        problems += _groups(chapter)
        problems += _merged(book, chapter)
    problems += _files(book)
    for framework in FRAMEWORKS:
        problems += _generated(book, framework, labels)
        problems += _orphans(book, framework)
    for path in sources(book):
        problems += _listed(book, path)
        problems += references(book, path, labels)
    problems += _worksheets(book, labels)
    return [f"{file}:{line}: {what}" for file, line, what in sorted(set(problems))]


def _groups(chapter: Chapter) -> Iterator[Problem]:
    """Tab groups that lack a framework and do not say why."""
    cells = {cell.id: position for position, cell in enumerate(chapter.cells)}
    for group in groups(chapter.cells):
        start = cells[group[0].id]
        above = chapter.cells[start - 1] if start else None
        present = covered(group)
        missing = [TITLES[name] for name in FRAMEWORKS if name not in present]
        try:
            lacking = missing and not stated_reason(chapter, group, above)
        except BookError as error:
            yield _located(error)
            continue
        if lacking:
            yield (
                f"chapters/{chapter.name}.md",
                chapter.line(group[0]),
                f"this group of tabs has no cell for {', '.join(missing)}; write it, "
                "or say why in a line `% only <frameworks>: <reason>` above the group",
            )


def _merged(book: Book, chapter: Chapter) -> Iterator[Problem]:
    """What keeps the chapter from becoming a page, such as outputs that differ."""
    try:
        page_notebook(book, chapter)
    except BookError as error:
        yield _located(error)


def _located(error: BookError) -> Problem:
    file, line, what = str(error).split(":", 2)
    return file, int(line), what.strip()


def _generated(book: Book, framework: str, labels: Labels) -> Iterator[Problem]:
    """Stale models and notebooks, and faults in the notebooks' outputs."""
    models = book.models_path(framework)
    text = models.read_text(encoding="utf-8") if models.exists() else None
    try:
        if text != models_text(book, framework):
            what = f"differs from the cells tagged `export`; {SPLIT}"
            yield book.relative(models), 1, what
    except BookError as error:
        yield _located(error)
    if not installed(framework):
        print(
            f"{TITLES[framework]} is not installed: "
            "whether its outputs are up to date was not checked."
        )
    for chapter in book.chapters:
        path = book.notebook_path(chapter, framework)
        name = book.relative(path)
        notebook = read_notebook(path)
        if notebook is None:
            yield name, 1, f"is missing or cannot be read; {SPLIT}"
            continue
        try:
            text = notebook_text(book, chapter, framework, labels)
            if path.read_text(encoding="utf-8") != text:
                yield name, 1, f"differs from chapters/{chapter.name}.md; {SPLIT}"
        except BookError as error:
            yield _located(error)
        stale = recorded_inputs(notebook) != inputs(book, chapter, framework, notebook)
        if installed(framework) and is_executed(notebook) and stale:
            yield name, 1, f"was executed with other code, files or library; {RUN}"
        yield from _outputs(book, chapter, framework, notebook)


def _outputs(
    book: Book, chapter: Chapter, framework: str, notebook: NotebookNode
) -> Iterator[Problem]:
    path = book.relative(book.notebook_path(chapter, framework))
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        file, line = path, 1
        if cell.id in chapter.lines:
            file, line = f"chapters/{chapter.name}.md", chapter.line(cell)
        name = f"cell {number} of {path}"
        types = {key for output in cell.outputs for key in output.get("data", ())}
        if installed(framework) and cell.execution_count is None:
            yield file, line, f"{name} was never executed; {RUN}"
        if stderr(cell):
            yield file, line, f"{name} shows stderr; silence its cause and {RUN}"
        if any(output.output_type == "error" for output in cell.outputs):
            yield file, line, f"{name} shows an error; mend the cell and {RUN}"
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        if types.intersection(IMAGES) and not alt:
            yield (
                file,
                line,
                f"{name} shows an image without alternative text; give the cell "
                'the option `mystnb: {image: {alt: "…"}}`',
            )


def _files(book: Book) -> Iterator[Problem]:
    """Shared files that are too large for the repository or that no chapter owns."""
    unowned = set(book.files())
    for chapter in book.chapters:
        sizes = {path: path.stat().st_size for path in book.files(chapter)}
        unowned -= set(sizes)
        for path, size in sizes.items():
            if size > FILE_LIMIT:
                what = f"has {size:,} bytes; at most {FILE_LIMIT:,}: store less"
                yield book.relative(path), 1, what
        if (total := sum(sizes.values())) > FILES_LIMIT:
            yield (
                f"chapters/files/{chapter.name}",
                1,
                f"has {total:,} bytes; at most {FILES_LIMIT:,}: store less",
            )
    for path in unowned:
        yield (
            book.relative(path),
            1,
            "belongs to no chapter of _toc.yml; move it to chapters/files/<chapter>/ "
            "or delete it",
        )


def _orphans(book: Book, framework: str) -> Iterator[Problem]:
    expected = {book.notebook_path(chapter, framework) for chapter in book.chapters}
    for path in sorted((book.root / "chapters" / framework).glob("*.ipynb")):
        if path not in expected:
            yield (
                book.relative(path),
                1,
                "no chapter of _toc.yml makes this notebook; delete it",
            )


def _worksheets(book: Book, labels: Labels) -> Iterator[Problem]:
    """Faults of the worksheets, and notebooks that are not what they make."""
    expected = set()
    for worksheet in read_worksheets(book):
        yield from _groups(worksheet)
        known = worksheet_labels(book, labels, worksheet)
        yield from references(book, worksheet.path, known)
        try:
            for path, text in worksheet_texts(book, worksheet, labels):
                expected.add(path)
                if not path.exists() or path.read_text(encoding="utf-8") != text:
                    what = f"differs from chapters/{worksheet.name}.md; {SPLIT}"
                    yield book.relative(path), 1, what
        except BookError as error:
            yield _located(error)
            return
    folder = book.root / FOLDER
    found = {*folder.glob("*/*.ipynb"), *folder.glob("solutions/*/*.ipynb")}
    for path in sorted(found - expected):
        if not path.parent.name.startswith("."):
            yield book.relative(path), 1, "no worksheet makes this; delete it"


def _listed(book: Book, path: Path) -> Iterator[Problem]:
    name = book.relative(path)
    if name.removesuffix(".md") not in book.documents:
        yield name, 1, "is not in _toc.yml; list it there or delete it"
