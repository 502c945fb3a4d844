"""Names every fault of the book: file, line, what is wrong and what to do."""

from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from book.build.html import redirects, write_site
from book.build.inputs import inputs, is_executed, recorded_inputs
from book.build.kernel import stderr
from book.build.labels import Labels, front_matter, read_labels
from book.build.models import models_text
from book.build.myst import VERBATIM, elements, leftovers, walk
from book.build.outputs import unrepeatable
from book.build.pages import page_notebook
from book.build.source import (
    FRAMEWORKS,
    Book,
    BookError,
    Chapter,
    covered,
    figure,
    groups,
    read_chapter,
    read_text,
    stated_reason,
)
from book.build.split import notebook_text, read_notebook
from book.build.vocabulary import nearest
from book.build.worksheets import FOLDER, read_worksheets, worksheet_texts
from d2l_lite import TITLES, installed

IMAGES = ("image/png", "image/svg+xml", "image/jpeg")
SPLIT = "run `python -m book split`"
RUN = "run `python -m book run`"
# Bytes of the files that notebooks share: each one, and a chapter's together.
FILE_LIMIT, FILES_LIMIT = 1_000_000, 2_000_000


class OutputFault(BookError):
    """A fault of what a cell has shown: its page can be read all the same."""


def check(book: Book) -> list[str]:
    """All problems, sorted by file and line; empty when the book is right.

    The notebooks of a framework that is not installed cannot be executed here: that
    they have not been is no problem, and a printed line says so. Once the sources are
    right, Sphinx writes the pages that they make, as for the site.
    """
    try:
        faults = [*_faults(book)]
    except BookError as error:
        faults = [*_unreadable(book)] or [error]
    faults = [one for fault in faults for one in fault.faults]
    if not any(map(_of_a_source, faults)):
        try:
            faults += write_site(book)
        except BookError as error:
            faults += error.faults
    known = sorted({(fault.file, fault.line, fault.text) for fault in faults})
    return [str(BookError(text, file, line)) for file, line, text in known]


def _of_a_source(fault: BookError) -> bool:
    written = fault.file.endswith((".md", ".yml", ".bib"))
    return written and not isinstance(fault, OutputFault)


def _unreadable(book: Book) -> Iterator[BookError]:
    """Faults for which the book cannot be read, of every source."""
    for folder, name in (("chapters", ""), (FOLDER, "worksheets/")):
        for path in (book.root / folder).glob("*.md"):
            yield from _raised(read_chapter, path, name + path.stem)
    for path in front_matter(book):
        yield from _raised(read_text, path, book.relative(path))


def _faults(book: Book) -> Iterator[BookError]:
    """What can be told without Sphinx."""
    labels = read_labels(book)
    for chapter in book.chapters:
        yield from _groups(chapter)
        yield from _raised(page_notebook, book, chapter)
    yield from _files(book)
    yield from _raised(redirects, book)
    for framework in FRAMEWORKS:
        yield from _models(book, framework)
        yield from _notebooks(book, framework, labels)
    listed = [book.root / f"{document}.md" for document in book.documents]
    for path in (*front_matter(book), *sorted((book.root / "chapters").glob("*.md"))):
        yield from _prose(book, path)
        if path not in listed:
            what = "is not in _toc.yml; list it there or delete it"
            yield BookError(what, book.relative(path), 1)
    yield from _worksheets(book, labels)
    for path in (book.root / "chapters").iterdir():
        known = (*FRAMEWORKS, "files", "worksheets")
        if path.is_dir() and path.name not in known and path.name[0] not in "._":
            what = f"no framework is called {path.name!r}; {nearest(path.name, known)}"
            yield BookError(what, book.relative(path), 1)


def _raised(function, *arguments) -> Iterator[BookError]:
    """The fault that keeps a function from its work, if any."""
    try:
        function(*arguments)
    except BookError as error:
        yield error


def _groups(chapter: Chapter) -> Iterator[BookError]:
    """Tab groups that lack a framework and do not say why."""
    for group, before in groups(chapter.cells):
        missing = [TITLES[name] for name in FRAMEWORKS if name not in covered(group)]
        try:
            if missing and not stated_reason(chapter, group, before):
                yield chapter.error(
                    group[0],
                    f"this group of tabs has no cell for {', '.join(missing)}; write "
                    "it, or say why in a line `% only <frameworks>: <reason>` above "
                    "the group",
                )
        except BookError as error:
            yield error


def _models(book: Book, framework: str) -> Iterator[BookError]:
    path = book.models_path(framework)
    text = path.read_text(encoding="utf-8") if path.exists() else None
    try:
        if text != models_text(book, framework):
            what = f"differs from the cells tagged `export`; {SPLIT}"
            yield BookError(what, book.relative(path), 1)
    except BookError as error:
        yield error


def _notebooks(book: Book, framework: str, labels: Labels) -> Iterator[BookError]:
    """Notebooks that are stale or stray, and faults in their outputs."""
    if not installed(framework):
        print(
            f"{TITLES[framework]} is not installed: "
            "whether its outputs are up to date was not checked."
        )
    stray = set((book.root / "chapters" / framework).glob("*.ipynb"))
    for chapter in book.chapters:
        path = book.notebook_path(chapter, framework)
        name = book.relative(path)
        stray.discard(path)
        notebook = read_notebook(path)
        if notebook is None:
            yield BookError(f"is missing or cannot be read; {SPLIT}", name, 1)
            continue
        try:
            text = notebook_text(book, chapter, framework, labels)
            if path.read_text(encoding="utf-8") != text:
                yield BookError(f"differs from {chapter.source}; {SPLIT}", name, 1)
        except BookError as error:
            yield error
        stale = recorded_inputs(notebook) != inputs(book, chapter, framework, notebook)
        if installed(framework) and is_executed(notebook) and stale:
            what = f"was executed with other code, files or library; {RUN}"
            yield BookError(what, name, 1)
        yield from _outputs(chapter, framework, notebook, name)
    for path in stray:
        what = "no chapter of _toc.yml makes this notebook; delete it"
        yield BookError(what, book.relative(path), 1)


def _outputs(
    chapter: Chapter, framework: str, notebook: NotebookNode, path: str
) -> Iterator[OutputFault]:
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        place = (path, 1)
        if cell.id in chapter.lines:
            place = (chapter.source, chapter.line(cell))
        name = f"cell {number} of {path}"
        types = {key for output in cell.outputs for key in output.get("data", ())}
        if installed(framework) and cell.execution_count is None:
            yield OutputFault(f"{name} was never executed; {RUN}", *place)
        if stderr(cell):
            what = f"{name} shows stderr; silence its cause and {RUN}"
            yield OutputFault(what, *place)
        if any(output.output_type == "error" for output in cell.outputs):
            yield OutputFault(f"{name} shows an error; mend the cell and {RUN}", *place)
        for what in unrepeatable(cell):
            yield OutputFault(f"{name} shows {what}", *place)
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        if types.intersection(IMAGES) and not alt:
            yield OutputFault(
                f"{name} shows an image without alternative text; give the cell "
                'the option `mystnb: {image: {alt: "…"}}`',
                *place,
            )
        if types.intersection(IMAGES) and not figure(cell):
            yield OutputFault(
                f"{name} shows an image without caption; give the cell the option "
                '`mystnb: {figure: {name: fig-…, caption: "…"}}`',
                *place,
            )


def _prose(book: Book, path: Path) -> Iterator[BookError]:
    """A source's titles, its images' texts, and markup that is not closed or none."""
    name = book.relative(path)
    text = read_text(path, name)
    lines, found = text.splitlines(), [*walk(text)]
    heads = [block for block in found if block.kind == "heading"]
    if not heads or heads[0].name != "h1":
        what = "begins without a title; write `# …` above all other headings"
        yield BookError(what, name, heads[0].line if heads else 1)
    for head in [head for head in heads if head.name == "h1"][1:]:
        what = f"a second title, {head.argument!r}; write `## …`, a page has one `# …`"
        yield BookError(what, name, head.line)
    for block in found:
        if not block.closed:
            what = "what begins here has no end; close its fence"
            yield BookError(what, name, block.line)
        if block.name in ("figure", "image") and not block.options.get("alt"):
            what = f"{{{block.name}}} has no alternative text; add `:alt: …`"
            yield BookError(what, name, block.line)
        goes_on = block.text[:1] == " " and lines[block.body_line - 2].strip()
        if block.options and goes_on and block.name not in VERBATIM:
            what = f"{{{block.name}}} has an option of several lines; put it on one"
            yield BookError(what, name, block.body_line)
        html = block.kind == "code" and block.text.startswith("<")
        if block.kind not in ("text", "heading") and not html:
            continue
        for markup in leftovers(block.text):
            what = f"{markup!r} is no markup of the book; correct or quote it"
            above = block.text.partition(markup)[0].count("\n")
            yield BookError(what, name, block.line + above)
        for element in elements(block.text):
            if element.kind == "image" and not element.text.strip():
                target = element.target
                yield BookError(
                    f"the image {target} has no alternative text; write "
                    f"![text]({target})",
                    *(name, block.line + block.text[: element.start].count("\n")),
                )


def _files(book: Book) -> Iterator[BookError]:
    """Shared files that are too large for the repository or that no chapter owns."""
    unowned = set(book.files())
    for chapter in book.chapters:
        sizes = {path: path.stat().st_size for path in book.files(chapter)}
        unowned -= set(sizes)
        folder = f"chapters/files/{chapter.name}"
        for name, size, limit in (
            *((book.relative(path), size, FILE_LIMIT) for path, size in sizes.items()),
            (folder, sum(sizes.values()), FILES_LIMIT),
        ):
            if size > limit:
                what = f"has {size:,} bytes; at most {limit:,}: store less"
                yield BookError(what, name, 1)
    for path in unowned:
        what = "belongs to no chapter of _toc.yml; move it to chapters/files/<chapter>/"
        yield BookError(f"{what} or delete it", book.relative(path), 1)


def _worksheets(book: Book, labels: Labels) -> Iterator[BookError]:
    """Faults of the worksheets, and notebooks that are not what they make."""
    folder = book.root / FOLDER
    found = {*folder.glob("*/*.ipynb"), *folder.glob("solutions/*/*.ipynb")}
    stray = {path for path in found if not path.parent.name.startswith(".")}
    failed = False
    for worksheet in read_worksheets(book):
        yield from _groups(worksheet)
        yield from _prose(book, worksheet.path)
        try:
            for path, text in worksheet_texts(book, worksheet, labels):
                stray.discard(path)
                if not path.exists() or path.read_text(encoding="utf-8") != text:
                    what = f"differs from {worksheet.source}; {SPLIT}"
                    yield BookError(what, book.relative(path), 1)
        except BookError as error:
            yield error
            failed = True
    for path in stray if not failed else ():
        yield BookError("no worksheet makes this; delete it", book.relative(path), 1)
