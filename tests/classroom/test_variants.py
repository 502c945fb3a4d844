"""Variants of worksheets: their own solutions pass, those of others do not."""

from pathlib import Path

import nbformat
import pytest
import sheets
from frameworks import FRAMEWORKS
from sheets import Session, code_cells, role

from book.build.labels import read_labels
from book.build.source import Book
from book.build.worksheets import (
    FOLDER,
    read_worksheets,
    values,
    variants,
    worksheet_texts,
)

BOOK = Book()
VARIED = {w.path.stem: w for w in read_worksheets(BOOK) if variants(w)}
SEEDS = 1, 2, 3
# Numbers are no framework's matter, planted bugs are.
CASES = [
    *(
        ("pytorch", name, seed)
        for name in VARIED
        if name != "find_the_bug"
        for seed in SEEDS
    ),
    *((framework, "find_the_bug", 1) for framework in FRAMEWORKS),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Every variant's notebooks, a folder for each seed."""
    folder, labels = tmp_path_factory.mktemp("variants"), read_labels(BOOK)
    for seed in SEEDS:
        for worksheet in VARIED.values():
            for path, text in worksheet_texts(BOOK, worksheet, labels, seed):
                path = folder / str(seed) / path.relative_to(BOOK.root / FOLDER)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    return folder


def answers(cells: list[nbformat.NotebookNode]) -> dict[str, str]:
    return {role(c): c.source for c in cells if role(c).startswith("answer-")}


@pytest.mark.parametrize(("framework", "name", "seed"), CASES)
def test_only_its_own_solution_passes(folder, monkeypatch, framework, name, seed):
    published = answers(code_cells(framework, name, solution=True))
    kept = sheets.notebook_path

    def varied(framework: str, name: str, solution: bool) -> Path:
        return (
            folder
            / str(seed)
            / kept(framework, name, solution).relative_to(sheets.ROOT)
        )

    def quick(framework: str, name: str, solution: bool) -> list[nbformat.NotebookNode]:
        # What does not vary: other bugs, and repairs, which take long to check.
        left_out = ("Dense", "check(") if framework != "pytorch" else ("Dense",)
        return [
            cell
            for cell in code_cells(framework, name, solution)
            if not any(word in cell.source for word in left_out)
        ]

    monkeypatch.setattr(sheets, "notebook_path", varied)
    if name == "find_the_bug":
        monkeypatch.setattr(sheets, "code_cells", quick)
    session = Session(framework, name, solution=True)
    assert [o.error for o in session.outcomes.values() if o.error] == []
    graded = session.graded()
    assert all(got == points for got, points in graded.values())
    own = answers(session.cells)
    others = {r: text for r, text in published.items() if own.get(r, text) != text}
    assert others
    for answer, text in others.items():
        check = answer.split("-")[1]
        found = session.with_text(check, text)
        assert found.error or found.value < graded[f"check-{check}"][1], text


@pytest.mark.parametrize("name", VARIED)
def test_variants_share_no_number(name):
    for entry in variants(VARIED[name]):
        for offered in entry.values():
            assert len(set(offered)) == len(offered)
    worksheet = VARIED[name]
    chosen = [values(worksheet, seed) for seed in range(8)]
    most = max(len(next(iter(e.values()))) for e in variants(worksheet)) - 1
    assert chosen[1] == chosen[1 + most]
    for other in chosen[1:]:
        assert not set(other.items()) & set(chosen[0].items())


def test_a_variant_says_which_it_is(folder):
    for solution in ("", "solutions/"):
        path = folder / "3" / f"{solution}jax/conv_block.ipynb"
        notebook = nbformat.read(path, as_version=4)
        assert notebook.metadata.worksheet.seed == 3
        assert "6 points, variant 3." in notebook.cells[0].source
        assert "{{" not in str(notebook)
