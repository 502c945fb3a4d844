"""The words that a source may use for tags and settings; all others are faults."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from nbformat import NotebookNode

from d2l_lite import PACKAGES

FRAMEWORKS = tuple(PACKAGES)
EACH = "each"  # the tag of a cell that every framework has as its own
# CONTRIBUTING.md says to authors what each is for.
TAGS = (
    *(*FRAMEWORKS, EACH, "export", "grade", "recorded"),
    *("hide-input", "hide-output", "hide-cell"),
    *("remove-input", "remove-output", "remove-cell"),
)
FRONT_MATTER = ("jupytext", "kernelspec")
# The keys of _toc.yml.
CONTENTS = (
    *("format", "root", "parts", "chapters", "sections", "file", "url", "title"),
    *("caption", "numbered", "maxdepth", "options"),
)
# The settings of a cell, and those that each of them holds.
SETTINGS = {
    "the cell": ("tags", "mystnb", "name", "points"),
    "mystnb": ("figure", "image", "code_prompt_show", "code_prompt_hide"),
    "figure": ("name", "caption"),
    "image": ("alt", "width", "height", "scale", "align", "classes"),
}


def nearest(word: object, known: Iterable[str]) -> str:
    """What an author may have meant by an unknown word, or all that there is."""
    known = list(known)
    close = get_close_matches(str(word).lower(), known, 1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"


def cell_faults(cell: NotebookNode, worksheet: bool) -> Iterator[str]:
    """What is wrong with a cell's kind, tags and settings."""
    if cell.cell_type == "raw":
        yield "no raw cells: a page and a notebook would show them differently"
    yield from _setting_faults("the cell", cell.metadata)
    yield from _tag_faults(cell, worksheet)


def _setting_faults(name: str, settings: object) -> Iterator[str]:
    if not isinstance(settings, dict):
        what = f"the cell's option `{name}` must hold settings (`name: …`)"
        yield f"{what}, not {settings!r}"
        return
    for key, value in settings.items():
        if key not in SETTINGS[name]:
            yield f"unknown setting {key!r} of {name}; {nearest(key, SETTINGS[name])}"
        elif key in SETTINGS:
            yield from _setting_faults(key, value)
    if name == "figure" and not (settings.get("name") and settings.get("caption")):
        yield 'a figure needs both, `figure: {name: fig-…, caption: "…"}`'


def _tag_faults(cell: NotebookNode, worksheet: bool) -> Iterator[str]:
    tags = cell.metadata.get("tags", [])
    known = TAGS if cell.cell_type == "code" else FRAMEWORKS
    for tag in tags:
        if tag in TAGS and tag not in known:
            yield f"the tag {tag!r} is for code; prose has {', '.join(known)}"
        elif tag not in TAGS:
            yield f"unknown tag {tag!r}; {nearest(tag, known)}"
    if EACH in tags and set(FRAMEWORKS).intersection(tags):
        yield f"the tag {EACH!r} stands for all frameworks; take their names out"
    if "grade" in tags and not worksheet:
        yield "the tag 'grade' is for worksheets"
    if "grade" not in tags and {"name", "points"}.intersection(cell.metadata):
        yield "`name` and `points` belong to a worksheet's check; it has the tag grade"
