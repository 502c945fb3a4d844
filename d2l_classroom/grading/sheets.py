"""The teacher's worksheets, and what of a student's copy of one is run."""

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from d2l_classroom.grading.notebook import Cell, read
from d2l_lite import PACKAGES, DataError

IMPORT = (ast.Import, ast.ImportFrom)
# In a student's cells worth a look: what a worksheet has no need of.
UNUSUAL = (
    "d2l_classroom",
    "_getframe",
    "get_objects",
    "sys.modules",
    "/proc/",
    "ctypes",
    "settrace",
    "__code__",
    "os._exit",
)


@dataclass(frozen=True)
class Step:
    """A cell to run: a student's, or a teacher's, perhaps a check with its points.

    The functions and classes called `names` are to stay as this cell defines them.
    """

    source: str
    place: str
    check: str = ""
    points: float = 0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """A worksheet as the teacher gave it out."""

    name: str
    framework: str
    cells: tuple[Cell, ...]

    @property
    def checks(self) -> list[Cell]:
        """The cells that give points, in order."""
        return [cell for cell in self.cells if cell.check]

    @property
    def imports(self) -> str:
        """The imports of its cells, save what a student is to define."""
        asked = self.asked
        found = []
        for cell in self.cells:
            if cell.code and not cell.check and not cell.solution:
                found += [n for n in _body(cell.source) if isinstance(n, IMPORT)]
        for node in found:
            node.names = [a for a in node.names if (a.asname or a.name) not in asked]
        return "\n".join(ast.unparse(node) for node in found if node.names)

    @property
    def asked(self) -> set[str]:
        """What students are to define."""
        cells = [cell for cell in self.cells if cell.code and cell.solution]
        return {name for cell in cells for name in _defined(cell.source)}


def _body(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError):  # a line of IPython's, or no Python at all
        return []


def _defined(source: str) -> list[str]:
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in _body(source) if isinstance(node, kinds)]


def load(place: Path) -> list[Sheet]:
    """The worksheets in a folder, `<framework>/<name>.ipynb` or `<name>.ipynb`.

    A notebook without checks is none. Raises `DataError` if there is not one, or if one
    cannot be used.
    """
    paths = [place] if place.is_file() else sorted(place.glob("*.ipynb"))
    for framework in PACKAGES:
        paths += sorted((place / framework).glob("*.ipynb"))
    found = []
    for path in paths:
        try:
            cells = read(path)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        framework = path.parent.name if path.parent.name in PACKAGES else ""
        sheet = Sheet(path.stem, framework, cells)
        names = Counter(cell.name for cell in sheet.checks)
        for name, count in names.items():
            if count > 1 or not name:
                raise DataError(f"{path}: grade_id {name!r} is no name of one cell")
        if sheet.checks:
            found.append(sheet)
    if not found:
        raise DataError(
            f"{place}: no worksheets, that is notebooks with cells of nbgrader's "
            '"grade": true; name their folder in --against'
        )
    return found


def match(sheets: Sequence[Sheet], cells: Sequence[Cell], words: set[str]) -> Sheet:
    """The sheet of which the cells are a copy; `words` are names in its file's path.

    A name in the path decides where one is there, then what the cells have in common.
    Raises `DataError` if nothing tells.
    """

    def likeness(sheet: Sheet) -> tuple[int, int, int]:
        sources = Counter(cell.source for cell in sheet.cells if cell.source.strip())
        names = {cell.name for cell in sheet.checks}
        common = sources & Counter(cell.source for cell in cells)
        alike = common.total() + len(names & {cell.name for cell in cells})
        return sheet.name in words, sheet.framework in words, alike

    best = max(sheets, key=likeness)
    named, _, alike = likeness(best)
    if not named and not alike:
        known = ", ".join(dict.fromkeys(sheet.name for sheet in sheets))
        raise DataError(f"no copy of a worksheet; known are {known}")
    return best


def program(sheet: Sheet, cells: Sequence[Cell]) -> tuple[list[Step], list[str]]:
    """The steps that grade a copy, and what is to be noted about it.

    The student's code runs in the student's order. Cells that the teacher locked, the
    checks among them, are the teacher's: each in the place of the student's copy of it,
    or, if that is gone, before the next cell that is still there. Other cells that are
    not the student's to fill in may be edited, which is noted.
    """
    places = _places(sheet.cells, cells)
    asked = sheet.asked
    at: dict[int, list[int]] = {}
    lost, changed, edited = [], [], []
    for i, given in enumerate(sheet.cells):
        if not given.code or given.solution:
            continue
        here = places.get(i)
        same = here is not None and cells[here].source.strip() == given.source.strip()
        if not (given.check or given.locked or same):
            edited += [] if here is None else [f"cell {here + 1}"]
            continue
        behind = (places[k] for k in range(i, len(sheet.cells)) if k in places)
        at.setdefault(next(behind, len(cells)), []).append(i)
        if here is None:
            lost.append(given.name)
        elif not same:
            changed.append(given.name)
    replaced = {places[i] for ids in at.values() for i in ids if i in places}
    steps, odd = [], []
    for j, cell in enumerate((*cells, Cell(False, ""))):
        for i in at.get(j, ()):
            given = sheet.cells[i]
            place = given.name or f"cell {j + 1}"
            if given.check:
                step = Step(given.source, place, given.name, float(given.points))
            else:
                names = [n for n in _defined(given.source) if n not in asked]
                step = Step(given.source, place, names=tuple(names))
            steps.append(step)
        if cell.code and j not in replaced and cell.source.strip():
            steps.append(Step(cell.source, f"cell {j + 1}"))
            odd += [f"{w} in cell {j + 1}" for w in UNUSUAL if w in cell.source]
    notes = {
        "locked cells gone, the teacher's were run": lost,
        "locked cells edited, the teacher's were run": changed,
        "given cells edited": edited,
        "worth reading": odd,
    }
    return steps, [
        f"{what}: {', '.join(names)}" for what, names in notes.items() if names
    ]


def _places(given: Sequence[Cell], cells: Sequence[Cell]) -> dict[int, int]:
    """For the teacher's cells that the student still has: which one each is."""
    found: dict[int, int] = {}
    for key in ("name", "id", "source"):
        # The last of several: by then all that the check needs is there.
        last = {getattr(cell, key): j for j, cell in enumerate(cells)}
        for i, cell in enumerate(given):
            value = getattr(cell, key)
            j = last.get(value) if value else None
            if j is not None and i not in found and j not in found.values():
                found[i] = j
    return found
