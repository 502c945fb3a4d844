"""Notebooks as they come back: read with care, since anything may be in the file."""

import json
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2l_lite import DataError

LARGEST = 10 << 20
# Colours, titles of windows, and whatever else begins with an escape.
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)")
TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@dataclass(frozen=True)
class Cell:
    """A cell, with what nbgrader notes about it; `name` is its grade_id, or ""."""

    code: bool
    source: str
    id: str = ""
    name: str = ""
    points: float = 0
    locked: bool = False
    grade: bool = False
    solution: bool = False

    @property
    def check(self) -> bool:
        """Whether it is code that decides about points."""
        return self.code and self.grade and not self.solution


def read(path: Path) -> tuple[Cell, ...]:
    """The cells of a notebook file.

    Raises `DataError`, which says why, if it is no notebook of format 4, too large, a
    symbolic link or anything but a file.
    """
    try:
        found = json.loads(_content(path))
        if not isinstance(found, dict) or found.get("nbformat") != 4:
            raise DataError("not a notebook of format 4")
        return tuple(_cell(cell) for cell in found["cells"])
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError("not a notebook: its text is not UTF-8") from None
    except ValueError as error:
        raise DataError(f"not a notebook: no JSON ({error})") from None
    except (AttributeError, KeyError, TypeError):
        raise DataError("not a notebook: its cells have another form") from None
    except RecursionError:
        raise DataError("not a notebook: nested too deeply") from None


def _content(path: Path) -> str:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise DataError("a symbolic link, which is not followed")
    if not stat.S_ISREG(status.st_mode):
        raise DataError("not a file")
    if status.st_size > LARGEST:
        raise DataError(
            f"{status.st_size >> 20} MiB, and {LARGEST >> 20} are read: remove its "
            "output and return it again"
        )
    return path.read_text(encoding="utf-8-sig")


def _cell(raw: dict[str, Any]) -> Cell:
    source = raw["source"]
    source = source if isinstance(source, str) else "".join(source)
    grading = raw.get("metadata", {}).get("nbgrader") or {}
    points = grading.get("points", 0)
    return Cell(
        raw["cell_type"] == "code",
        source,
        str(raw.get("id", "")),
        str(grading.get("grade_id", "")),
        points if type(points) in (int, float) else 0,
        *(grading.get(key) is True for key in ("locked", "grade", "solution")),
    )


def clean(text: str, breaks: bool = False) -> str:
    """The text without what a terminal or a page would obey instead of showing.

    Line breaks become blanks, unless `breaks` keeps them.
    """
    lines = ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")
    joint = "\n" if breaks else " "
    return joint.join("".join(map(_visible, line)) for line in lines)


def _visible(character: str) -> str:
    if character == "\t":
        return " "
    # Control characters, surrogates, separators of lines, changes of direction.
    hidden = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    turns = unicodedata.bidirectional(character) in TURNS
    return "\N{REPLACEMENT CHARACTER}" if hidden or turns else character
