"""Worksheets: from one source to a student's and a solution's notebook."""

import json
from pathlib import Path

import nbformat
import pytest

from book.build.check import check
from book.build.nbgrader import solutions, without_solutions
from book.build.source import FRAMEWORKS, Book, BookError
from book.build.split import split
from book.build.worksheets import copy_worksheets, write_variant, write_worksheets

ANSWER = """\
```{code-cell} ipython3
def double(x):
    ### BEGIN SOLUTION
    y = x
    return x + y
    ### END SOLUTION
```
"""
CHECK = """\
```{code-cell} ipython3
:tags: [grade]
:name: twice
:points: 2

assert double(1) == 2
### BEGIN HIDDEN TESTS
assert double("a") == "aa"
### END HIDDEN TESTS
```
"""
TABS = "".join(
    f'```{{code-cell}} ipython3\n:tags: [{name}]\n\nframework = "{name}"\n```\n\n'
    for name in FRAMEWORKS
)
SHEET = f"# Sheet\n\nText.\n\n{TABS}{ANSWER}\n{CHECK}"


@pytest.fixture
def sheet(temporary_book):
    """Writes a worksheet and returns the book that has it."""
    temporary_book.chapters()

    def write(text: str = SHEET) -> Book:
        from small_book import FRONT_MATTER

        temporary_book.write("chapters/worksheets/sheet.md", FRONT_MATTER + text)
        return Book(temporary_book.root)

    return write


def notebooks(book: Book, framework: str) -> list[nbformat.NotebookNode]:
    """The student's and the solution's."""
    folder = book.root / "chapters/worksheets"
    return [
        nbformat.read(folder / path / framework / "sheet.ipynb", as_version=4)
        for path in ("", "solutions")
    ]


def graded(notebook: nbformat.NotebookNode) -> dict[str, nbformat.NotebookNode]:
    return {
        cell.metadata.nbgrader.grade_id: cell
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    }


def test_student_gets_the_stub_and_no_hidden_tests(sheet):
    book = sheet()
    write_worksheets(book)
    student, solution = notebooks(book, "jax")
    answer = graded(student)["answer-twice-1"].source
    assert answer == (
        "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    )
    assert graded(student)["check-twice"].source == "assert double(1) == 2"
    assert "return x + y" not in json.dumps(student)
    assert '"aa"' not in json.dumps(student)
    assert "### BEGIN SOLUTION" in graded(solution)["answer-twice-1"].source
    assert "### BEGIN HIDDEN TESTS" in graded(solution)["check-twice"].source
    # nbgrader shows students what stands in front of its source version.
    assert student.cells[0] == solution.cells[0]


def test_each_framework_gets_its_cells_under_the_same_ids(sheet):
    book = sheet()
    write_worksheets(book)
    for framework in FRAMEWORKS:
        student, solution = notebooks(book, framework)
        nbformat.validate(student)
        text = [cell.source for cell in student.cells]
        found = [name for name in FRAMEWORKS if f'framework = "{name}"' in text]
        assert found == [framework]
        ids = [[cell.id for cell in each.cells] for each in (student, solution)]
        assert ids[0] == ids[1]
        about = {"name": "sheet", "framework": framework}
        assert student.metadata.worksheet == about
        assert "Generated from chapters/worksheets/sheet.md" in text[0]


def test_metadata_are_those_of_nbgraders_third_schema(sheet):
    book = sheet()
    write_worksheets(book)
    for notebook in notebooks(book, "pytorch"):
        found = {
            name: dict(c.metadata.nbgrader) for name, c in graded(notebook).items()
        }
        common = {"cell_type": "code", "schema_version": 3, "task": False}
        assert found == {
            "answer-twice-1": common
            | {"grade_id": "answer-twice-1"}
            | {"grade": False, "locked": False, "solution": True},
            "check-twice": common
            | {"grade_id": "check-twice", "points": 2}
            | {"grade": True, "locked": True, "solution": False},
        }


def test_stubs_are_indented_as_the_solution_was():
    source = (
        "for i in x:\n    if i:\n        ### BEGIN SOLUTION\n        a = 1\n"
        "        b = 2\n        ### END SOLUTION\n        c = 3"
    )
    assert without_solutions(source) == (
        "for i in x:\n    if i:\n        # YOUR CODE HERE\n"
        "        raise NotImplementedError()\n        c = 3"
    )
    assert solutions(source) == ["        a = 1\n        b = 2"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    ### END SOLUTION\n", "", "no `### END SOLUTION`"),
        ("    ### BEGIN SOLUTION\n", "", "`### END SOLUTION` stands where"),
        (
            "    y = x\n",
            "    ### BEGIN SOLUTION\n",
            "`### BEGIN SOLUTION` stands where",
        ),
        ("### END SOLUTION", "### END HIDDEN TESTS", "END HIDDEN TESTS` stands where"),
        ("### END SOLUTION", "# END SOLUTION", "nothing else in the line"),
        (":points: 2\n", "", "a check needs `:points:`"),
        (":points: 2", ":points: 0", "a check needs `:points:`"),
        (":name: twice\n", "", "a check needs `:name:`"),
        (":name: twice", ":name: Twice or more", "a check needs `:name:`"),
        (":tags: [grade]", ":tags: []", "it has the tag grade"),
        (CHECK, "", "no cell with the tag `grade` follows"),
        (CHECK, CHECK + "\n" + CHECK, "another check is called twice"),
        (CHECK, CHECK.replace("HIDDEN TESTS", "SOLUTION"), "a check holds no solution"),
        ("y = x", '"""{{ files/x.csv }}"""', "files/x.csv does not exist"),
    ],
)
def test_faults_are_named_with_their_line(sheet, old, new, message):
    assert old in SHEET
    book = sheet(SHEET.replace(old, new))
    with pytest.raises(
        BookError, match=r"^chapters/worksheets/sheet.md:\d+: "
    ) as error:
        write_worksheets(book)
    assert message in str(error.value)
    assert any(message in problem for problem in check(book))


def test_the_points_that_a_check_gives_are_those_that_it_has(sheet):
    graded = CHECK.replace("assert double(1) == 2", "check(double).grade(3)")
    with pytest.raises(BookError, match=r"other points than `:points: 2`"):
        write_worksheets(sheet(SHEET.replace(CHECK, graded)))
    write_worksheets(sheet(SHEET.replace(CHECK, graded.replace("(3)", "(2)"))))


def test_a_file_is_put_into_the_cell_that_names_it(sheet, temporary_book):
    temporary_book.write("chapters/worksheets/files/x.csv", "a,b\n1,2\n")
    book = sheet(SHEET.replace("Text.", '```{code-cell}\nT = "{{ files/x.csv }}"\n```'))
    write_worksheets(book)
    student, _ = notebooks(book, "mxnet")
    assert 'T = "a,b\n1,2"' in [cell.source for cell in student.cells]


def test_check_finds_what_is_stale_missing_or_left_over(sheet, monkeypatch):
    monkeypatch.setattr("book.build.check.write_site", lambda book: [])
    book = sheet()
    split(book)
    write_worksheets(book)
    assert check(book) == []
    folder = book.root / "chapters/worksheets"
    stale, missing = folder / "jax/sheet.ipynb", folder / "solutions/mxnet/sheet.ipynb"
    stale.write_text(stale.read_text().replace("Text.", "Other."))
    missing.rename(folder / "pytorch/old.ipynb")
    assert check(book) == [
        f"chapters/worksheets/{name}: {what}"
        for name, what in (
            (
                "jax/sheet.ipynb:1",
                "differs from chapters/worksheets/sheet.md; run `python -m book split`",
            ),
            ("pytorch/old.ipynb:1", "no worksheet makes this; delete it"),
            (
                "solutions/mxnet/sheet.ipynb:1",
                "differs from chapters/worksheets/sheet.md; run `python -m book split`",
            ),
        )
    ]


def test_check_names_the_faults_of_all_worksheets(sheet, temporary_book):
    from small_book import FRONT_MATTER

    wrong = SHEET.replace("Text.", "See {ref}`nowhere`.")
    temporary_book.write("chapters/worksheets/other.md", FRONT_MATTER + wrong)
    problems = "\n".join(check(sheet(wrong)))
    for name in ("other", "sheet"):
        assert f"chapters/worksheets/{name}.md:7: no label 'nowhere'" in problems
    assert "no worksheet makes this" not in problems


def test_check_reads_a_worksheets_prose_and_tabs(sheet):
    tab = '```{code-cell} ipython3\n:tags: [mxnet]\n\nframework = "mxnet"\n```\n\n'
    text = SHEET.replace("Text.", "See {ref}`nowhere`.").replace(tab, "")
    problems = "\n".join(check(sheet(text)))
    assert "chapters/worksheets/sheet.md:7: no label 'nowhere'" in problems
    assert "has no cell for MXNet" in problems


def test_the_site_gets_the_students_notebooks_only(sheet, tmp_path: Path):
    book = sheet()
    with pytest.raises(BookError, match="missing; run `python -m book split`"):
        copy_worksheets(book, tmp_path / "site")
    write_worksheets(book)
    copy_worksheets(book, tmp_path / "site")
    found = [p for p in (tmp_path / "site").rglob("*") if p.is_file()]
    assert sorted(path.parent.name for path in found) == sorted(FRAMEWORKS)
    assert all("x + y" not in path.read_text() for path in found)


VARIED = SHEET.replace("return x + y", "return {{ n }} * x").replace(
    "Text.", "Text on $x^{{ power }}$ and {{ word }}s."
)
VARIANTS = """\
variants:
  - n: [2, 3, 4]
    word: [double, triple, quadruple]
  - power: [1, 0]
"""


@pytest.fixture
def varied(temporary_book):
    """Writes a worksheet whose front matter declares variants."""
    temporary_book.chapters()

    def write(declared: str, text: str = VARIED) -> Book:
        from small_book import FRONT_MATTER

        front = FRONT_MATTER.removesuffix("---\n") + declared + "---\n"
        temporary_book.write("chapters/worksheets/sheet.md", front + text)
        return Book(temporary_book.root)

    return write


def test_a_variant_has_values_of_its_own_that_belong_together(varied):
    book = varied(VARIANTS)
    write_worksheets(book)
    found = {0: [notebook.cells for notebook in notebooks(book, "jax")]}
    for seed in (1, 2, 3):
        paths = write_variant(book, seed, ["jax"])
        names = [
            path.relative_to(book.root / "_build/variants").as_posix() for path in paths
        ]
        folders = (f"{seed}/solutions/jax", f"{seed}/jax")
        assert names == [f"{folder}/sheet.ipynb" for folder in folders]
        found[seed] = [nbformat.read(path, as_version=4).cells for path in paths[::-1]]
    for seed, number, word in ((0, 2, "double"), (1, 3, "triple"), (2, 4, "quadruple")):
        power = 0 if seed else 1
        student, solution = found[seed]
        for cells in (student, solution):
            assert cells[2].source.endswith(f"Text on $x^{power}$ and {word}s.")
        assert f"return {number} * x" in solution[4].source
        assert "{{" not in str(student) + str(solution)
    for later, first in zip(found[3][1][1:], found[1][1][1:], strict=True):
        assert later == first


@pytest.mark.parametrize(
    ("declared", "text", "says"),
    [
        (VARIANTS, VARIED + "\n{{ m }}\n", "m is not among its `variants`"),
        ("variants: [{n: [1, 2], m: [1]}]\n", VARIED, "give each as many values"),
        ("variants: [{n: [1]}]\n", VARIED, "two at least"),
        *(
            (f"variants: {wrong}\n", VARIED, "variants: write `- name: .value, value")
            for wrong in (
                "",
                "3",
                "{n: [1, 2]}",
                "[n]",
                "[{}]",
                "[{n: 3}]",
                "[{n: 12}]",
            )
        ),
    ],
)
def test_wrong_variants_are_named(varied, declared, text, says):
    with pytest.raises(BookError, match=rf"chapters/worksheets/sheet.md:\d+: .*{says}"):
        write_worksheets(varied(declared, text))
