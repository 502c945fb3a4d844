"""What nbgrader asks of a worksheet: delimiters, stubs, and metadata of its cells."""

import re
from collections.abc import Callable, Iterator
from functools import partial

from nbformat import NotebookNode

from book.build.source import BookError, Chapter, tags

# Makes a fault of a cell of its text.
Error = Callable[[str], BookError]
SOLUTION, HIDDEN = "SOLUTION", "HIDDEN TESTS"
# What nbgrader, too, puts in the place of a solution.
STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")
_DELIMITER = re.compile(r"^([ \t]*)### (BEGIN|END) (SOLUTION|HIDDEN TESTS)[ \t]*$")
# nbgrader takes these words anywhere in a line for a delimiter.
_WORDS = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)")
# How a check gives its share of the points to nbgrader.
_GRADED = re.compile(r"\.grade\(([\d.]+)")
_NAME = re.compile(r"[a-z0-9_]+")


def without_solutions(source: str) -> str:
    """A cell as students get it.

    nbgrader's stub stands in each solution's place, indented as that was, and nothing
    in the place of hidden tests.
    """
    lines, inside = [], False
    for line in source.splitlines():
        if match := _DELIMITER.match(line):
            indent, edge, kind = match.groups()
            inside = edge == "BEGIN"
            if inside and kind == SOLUTION:
                lines += [indent + text for text in STUB]
        elif not inside:
            lines.append(line)
    return "\n".join(lines).strip("\n")


def solutions(source: str) -> list[str]:
    """The text of each solution in a cell, without its delimiters."""
    found: list[list[str]] = []
    inside = False
    for line in source.splitlines():
        if match := _DELIMITER.match(line):
            inside = match[2] == "BEGIN" and match[3] == SOLUTION
            if inside:
                found.append([])
        elif inside:
            found[-1].append(line)
    return ["\n".join(lines) for lines in found]


def mark(worksheet: Chapter, cells: list[NotebookNode]) -> float:
    """Gives answers and checks, among the code cells of a notebook, their metadata.

    A check's name stands in its option `name`; the answers before it are called after
    it, so that a correction of a solution renames nothing. Returns the sum of points.

    Raises:
        BookError: delimiters that do not match, an answer that no check follows, or a
            check without a name of its own or without points.
    """
    sources = {cell.id: cell for cell in worksheet.cells}
    names: set[str] = set()
    total, answers = 0.0, []
    for cell in cells:
        source = sources[cell.id]
        error = partial(worksheet.error, source)
        kinds = set(_regions(source.source, error))
        if SOLUTION in kinds:
            answers.append(cell)
        if "grade" not in tags(source):
            if HIDDEN in kinds:
                raise error("hidden tests need the tag `grade`")
            continue
        if SOLUTION in kinds:
            raise error("a check holds no solution; take two cells")
        name, points = _check(source.metadata, error)
        if any(float(given) != points for given in _GRADED.findall(source.source)):
            raise error(f"`.grade(…)` gives other points than `:points: {points}`")
        if name in names:
            raise error(f"another check is called {name}; rename one")
        names.add(name)
        for number, answer in enumerate(answers, 1):
            answer.metadata.nbgrader = _metadata(f"answer-{name}-{number}")
        answers.clear()
        cell.metadata.nbgrader = _metadata(f"check-{name}") | {
            "grade": True,
            "locked": True,
            "points": points,
            "solution": False,
        }
        total += points
    if answers:
        what = "no cell with the tag `grade` follows this solution"
        raise worksheet.error(sources[answers[0].id], what)
    return total


def _metadata(grade_id: str) -> dict:
    """nbgrader's metadata, schema 3, of an answer that a check behind it grades."""
    return {
        "cell_type": "code",
        "grade": False,
        "grade_id": grade_id,
        "locked": False,
        "schema_version": 3,
        "solution": True,
        "task": False,
    }


def _check(options: dict, error: Error) -> tuple[str, float]:
    """Name and points of a check."""
    name, points = options.get("name"), options.get("points")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise error("a check needs `:name:` of small letters and _")
    if isinstance(points, bool) or not isinstance(points, int | float) or points <= 0:
        raise error("a check needs `:points:`, a number above 0")
    return name, points


def _regions(source: str, error: Error) -> Iterator[str]:
    """The kind of each region of a cell; raises BookError where one is not closed."""
    opened = ""
    for line in source.splitlines():
        match = _DELIMITER.match(line)
        if not match:
            if _WORDS.search(line):
                raise error(
                    f"{line.strip()!r}: write `### BEGIN SOLUTION` and "
                    "`### END SOLUTION` (or HIDDEN TESTS), nothing else in the line"
                )
            continue
        _, edge, kind = match.groups()
        if (edge == "BEGIN") == bool(opened) or opened not in ("", kind):
            raise error(f"`{line.strip()}` stands where it must not")
        opened = kind if edge == "BEGIN" else ""
        if opened:
            yield kind
    if opened:
        raise error(f"no `### END {opened}`; add it")
