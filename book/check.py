"""Names every fault of the book: file, line, what is wrong and what to do."""

from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from book.inputs import inputs, is_executed, recorded_inputs
from book.labels import Labels, read_labels, sources
from book.markdown import CITATIONS, is_address, resolve
from book.models import models_text
from book.myst import INLINE, Block, has_body, role_target, walk
from book.pages import page_notebook
from book.run import stderr
from book.source import (
    FRAMEWORKS,
    Book,
    BookError,
    Chapter,
    covered,
    groups,
    read_text,
    stated_reason,
)
from book.split import notebook_text, read_notebook
from d2l_lite import TITLES, installed

Problem = tuple[str, int, str]  # file, line, what is wrong and what to do
IMAGES = ("image/png", "image/svg+xml", "image/jpeg")
SPLIT = "run `python -m book split`"
RUN = "run `python -m book run`"
SPHINX_LABELS = ("genindex", "modindex", "search")
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
        problems += _references(book, path, labels)
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


def _listed(book: Book, path: Path) -> Iterator[Problem]:
    name = book.relative(path)
    if name.removesuffix(".md") not in book.documents:
        yield name, 1, "is not in _toc.yml; list it there or delete it"


def _references(book: Book, path: Path, labels: Labels) -> Iterator[Problem]:
    """Broken references and images without alternative text in one document."""
    reader = _References(book, path, labels)
    for block in walk(read_text(path, book.relative(path))):
        for line, what in reader.problems(block):
            yield book.relative(path), line, what


class _References:
    """What one document refers to, held against what there is."""

    def __init__(self, book: Book, path: Path, labels: Labels) -> None:
        self.root = book.root
        self.document = book.relative(path).removesuffix(".md")
        self.labels = labels

    def problems(self, block: Block) -> Iterator[tuple[int, str]]:
        if block.kind == "directive":
            yield from ((block.line, what) for what in self._directive(block))
        text = block.text if block.kind == "text" else block.argument
        if block.kind == "directive" and block.name in ("figure", "image", "solution"):
            text = ""  # a path or a label, seen above
        if block.name == "list-table":
            yield from self._inline(block.text, block.body_line)
        if block.kind in ("text", "heading") or has_body(block):
            yield from self._inline(text, block.line)

    def _directive(self, block: Block) -> Iterator[str]:
        if block.name in ("figure", "image"):
            if not block.options.get("alt"):
                yield f"{{{block.name}}} has no alternative text; add `:alt: …`"
            yield from self._file(block.argument)
        if block.name == "solution" and block.argument not in self.labels.names:
            yield f"no exercise has the label {block.argument!r}; correct the label"

    def _inline(self, text: str, line: int) -> Iterator[tuple[int, str]]:
        for match in INLINE.finditer(text):
            at = line + text[: match.start()].count("\n")
            if match["role"]:
                found = self._role(match["role"], match["content"])
            elif match["target"] is not None:
                found = self._link(match["image"], match["text"], match["target"])
            else:
                continue
            yield from ((at, what) for what in found)

    def _role(self, role: str, content: str) -> Iterator[str]:
        _, target = role_target(content)
        if role in CITATIONS:
            for key in (key.strip() for key in content.split(",")):
                if self.labels.citation(key) is None:
                    yield f"{key!r} is not in book/references.bib; add it there"
        elif role in ("ref", "numref", "eq"):
            if target not in self.labels.names and target not in SPHINX_LABELS:
                yield f"no label {target!r} in the book; correct it"
            elif role == "eq" and self.labels.names[target].kind != "Equation":
                yield f"{target!r} is no equation; use {{ref}}"
        elif role == "doc":
            yield from self._document(target)
        elif role == "term" and target.lower() not in self.labels.terms:
            yield f"no glossary has the term {target!r}; add it in book/notation.md"
        elif role == "download":
            yield from self._file(target)

    def _link(self, image: str, text: str, target: str) -> Iterator[str]:
        if image and not text.strip():
            yield f"the image {target} has no alternative text; write ![text]({target})"
        path, _, anchor = target.partition("#")
        if is_address(target) or path in self.labels.names:
            return
        if path:
            yield from self._file(path)
            return
        known = self.labels.slugs[self.document]
        if anchor not in self.labels.names and anchor not in known:
            yield f"no label or heading {anchor!r} in this document; correct the link"

    def _document(self, target: str) -> Iterator[str]:
        document = resolve(self.document, target)
        if document not in self.labels.titles:
            yield f"no document {target!r} ({document}.md); correct the reference"

    def _file(self, target: str) -> Iterator[str]:
        if is_address(target):
            return
        path = resolve(self.document, target.partition("?")[0], suffix="")
        if not (self.root / path).exists() and not (self.root / f"{path}.md").exists():
            yield f"the file {target} does not exist ({path}); correct the path"
