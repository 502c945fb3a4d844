"""What students hand in, in whatever form, made what nbgrader grades.

A notebook is known by what is in it, not by its name. It is written anew: the student's
cells without outputs, the checks as they were handed out, the grading machine's kernel.
"""

import io
import json
import os
import re
import shutil
import stat
import time
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

# A notebook full of pictures has some MiB.
LARGEST = 64 << 20
TOO_LARGE = f"has more than {LARGEST >> 20} MiB"
# What systems and programs leave in folders and archives.
LITTER = re.compile(
    r"(^|/)(\.|__MACOSX/|Thumbs\.db$|desktop\.ini$)", flags=re.IGNORECASE
)
# How Moodle calls a student's folder, and Canvas a student's file, in their archives.
MOODLE = re.compile(r"(.+_\d+)_assignsubmission_[a-z]+_?(.*)")
CANVAS = re.compile(r"([^_]+?)(?:_LATE)?_(\d+)_\d+_(.+)")
NAMES = re.compile(r"^(?:def|class) +(\w+)", re.MULTILINE)
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


class Refused(Exception):
    """Why a file cannot be graded."""


class File(NamedTuple):
    """A file that was handed in: where, when, and its content, or why it has none.

    The content is that of a file, or then the notebook in it.
    """

    name: str
    time: tuple[int, ...]
    content: bytes | dict | Refused


class Taken(NamedTuple):
    """What became of a student's files: whether there is a notebook, and remarks."""

    usable: bool
    note: str


def collect(course: Path, assignment: str, returned: Path) -> dict[str, Taken]:
    """Fill `submitted/` with the notebooks that lie in a folder or a ZIP archive.

    In it each student has a folder, an archive or a file, as teachers collect them or
    as Moodle and Canvas pack them. Whatever a student has handed in becomes a remark.

    Raises:
        ValueError: nbgrader has not handed out the assignment, or `returned` is neither
            a folder nor an archive.
    """
    release = course / "release" / assignment
    sheets = {p.stem: json.loads(p.read_text("utf-8")) for p in release.glob("*.ipynb")}
    if not sheets:
        raise ValueError(f"{release}: call nbgrader generate_assignment first")
    taken = {}
    for student, files in _students(returned, assignment).items():
        folder = course / "submitted" / student / assignment
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        found, notes = _notebooks(files, sheets)
        for name, notebook in found.items():
            text = json.dumps(notebook, ensure_ascii=False, indent=1)
            path = folder / f"{name}.ipynb"
            path.write_text(text, encoding="utf-8", errors="replace")
        taken[student] = Taken(bool(found), "; ".join(notes))
    return taken


def _notebooks(files: list[File], sheets: dict[str, dict]) -> tuple[dict, list[str]]:
    """A student's notebooks by the sheets' names, and what is to be said of them."""
    notes = [] if files else ["nothing was handed in"]
    found: dict[str, tuple[str, dict]] = {}
    for file in sorted(files, key=lambda file: (file.time, file.name)):
        own, content = file.name.rpartition("/")[2], file.content
        name = _sheet(content, sheets) if isinstance(content, dict) else ""
        if not name:
            other = f"is another notebook than {' or '.join(sorted(sheets))}"
            notes.append(f"{own}: {other if isinstance(content, dict) else content}")
            continue
        if name in found:
            notes.append(f"{found[name][0]}: {own} is newer, and graded")
        found[name] = own, content
    whole = {}
    for name, (_, notebook) in found.items():
        whole[name], more = _restored(notebook, sheets[name])
        notes += [f"{name}: {note}" for note in more]
    if found and len(found) < len(sheets):
        missing = sorted(sheets.keys() - found.keys())
        notes.append(f"not handed in: {', '.join(missing)}")
    return whole, notes


def _read(file: File) -> File:
    """A file with the notebook in it: of many files only these stay in memory."""
    if isinstance(file.content, Refused):
        return file
    try:
        return file._replace(content=_parsed(file.content))
    except Refused as refused:
        return file._replace(content=refused)


def _parsed(content: bytes) -> dict:
    """The notebook in a file, each cell with a type, a text and metadata."""
    if not content.strip(b"\0 \t\r\n"):
        raise Refused("the file is empty")
    try:
        # Also with a byte order mark, or as UTF-16, as some editors save it.
        notebook = json.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        if b'"cells"' in content:
            place = f" at character {error.pos}" if hasattr(error, "pos") else ""
            what = f"a notebook, but broken off or changed{place}; hand it in again"
            raise Refused(what) from None
        raise Refused("is no notebook (a file .ipynb)") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        old = isinstance(notebook, dict) and "worksheets" in notebook
        what = "a notebook of an old format: open and save it in Jupyter"
        raise Refused(what if old else "is no notebook")
    about = notebook["metadata"] = _mapping(notebook.get("metadata"))
    language = _mapping(about.get("language_info")).get("name")
    language = language or _mapping(about.get("kernelspec")).get("language") or "python"
    if "python" not in str(language).lower():
        raise Refused(f"is a notebook for {language}, not for Python")
    notebook["cells"] = [_cell(cell) for cell in cells if isinstance(cell, dict)]
    return notebook


def _mapping(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _cell(cell: dict) -> dict:
    source, kind = cell.get("source", ""), cell.get("cell_type")
    lines = source if isinstance(source, list) else [source]
    about = _mapping(cell.get("metadata"))
    return {
        "cell_type": kind if kind in ("code", "markdown") else "raw",
        "source": "".join(line for line in lines if isinstance(line, str)),
        "metadata": about | {"nbgrader": _mapping(about.get("nbgrader"))},
    }


def _role(cell: dict) -> str:
    """nbgrader's name of a cell, empty for those that it does not know."""
    role = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
    return role if isinstance(role, str) else ""


def _sheet(notebook: dict, sheets: dict[str, dict]) -> str:
    """Which of the sheets it is; empty if none.

    Its worksheet's name decides. Where a program has dropped it, only cells that
    nbgrader knows count: imports are the same in all worksheets.
    """
    name = _worksheet(notebook).get("name")
    names = {sheet: (sheet, _worksheet(sheets[sheet]).get("name")) for sheet in sheets}
    named = [sheet for sheet in sheets if name and name in names[sheet]]
    roles = {_role(cell) for cell in notebook["cells"]} - {""}
    texts = {_plain(cell) for cell in notebook["cells"]}

    def alike(sheet: str) -> tuple[int, int]:
        cells = [cell for cell in sheets[sheet]["cells"] if _role(cell)]
        known = roles & {_role(cell) for cell in cells}
        checks = {_plain(cell) for cell in cells if _check(cell)[0]}
        # Some of nbgrader's names are in several worksheets, most are in one.
        return len(checks & texts), len(known) - len(roles - known)

    best = max(sorted(named or sheets), key=alike)
    return best if named or (not name and max(alike(best)) > 0) else ""


def _worksheet(notebook: dict) -> dict:
    """What the book has written into a worksheet about it."""
    return _mapping(_mapping(notebook["metadata"]).get("worksheet"))


def _plain(cell: dict) -> str:
    return "".join("".join(cell["source"]).split())


def _restored(notebook: dict, sheet: dict) -> tuple[dict, list[str]]:
    """A notebook with all checks and answers of the sheet; what has been changed."""
    cells = notebook["cells"]
    notes = _changed(cells, sheet["cells"])
    marked = [cell for cell in sheet["cells"] if _role(cell)]
    found: list[dict | None] = []
    place = -1
    for given in marked:
        own = _found(cells, given, place + 1)
        found.append(own)
        if own is not None:
            own["metadata"]["nbgrader"] = given["metadata"]["nbgrader"]
            place = _index(cells, own)
    for number, given in enumerate(marked):
        is_check, source = _check(given)
        own = found[number]
        if own is None:
            what = "check" if is_check else "answer"
            notes.append(f"the {what} {_role(given).split('-')[1]} was deleted")
            own = found[number] = {"source": source, "metadata": {}}
            own["metadata"]["nbgrader"] = given["metadata"]["nbgrader"]
            # Behind the one before it, or in front of the first that is there.
            after = next(filter(None, found[1:]), None)
            at = (
                _index(cells, found[number - 1]) + 1 if number else _index(cells, after)
            )
            cells.insert(at, own)
        own["cell_type"] = given["cell_type"]
        own["source"] = source if is_check else own["source"]
    for cell in cells:
        if not any(cell is own for own in found):
            cell["metadata"].pop("nbgrader", None)
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    theirs, ours = _worksheet(notebook), _worksheet(sheet)
    for key in ("framework", "seed"):
        if theirs and theirs.get(key) != ours.get(key):
            told = f"its {key} is {theirs.get(key)}, handed out was {ours.get(key)}"
            notes.append(told)
    about = {"kernelspec": KERNEL, "worksheet": ours}
    whole = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return whole, notes


def _changed(cells: list[dict], given: list[dict]) -> list[str]:
    """The given code that checks and answers may need, where it is not as it was."""
    there = {_plain(cell) for cell in cells}
    sources = [
        "".join(cell["source"]).strip()
        for cell in given
        if cell["cell_type"] == "code"
        and not _role(cell)
        and _plain(cell)
        and _plain(cell) not in there
    ]
    lines = ", ".join(f"`{source.splitlines()[0]}`" for source in sources)
    return [f"given code was changed or deleted: {lines}"] if lines else []


def _index(cells: list[dict], own: dict | None) -> int:
    """The place of a cell, the end if it is not there; cells may be equal."""
    places = [number for number, cell in enumerate(cells) if cell is own]
    return places[0] if places else len(cells)


def _check(given: dict) -> tuple[bool, str]:
    """Whether a cell of a sheet is a check, and its text."""
    return given["metadata"]["nbgrader"]["grade"], "".join(given["source"])


def _found(cells: list[dict], given: dict, start: int) -> dict | None:
    """A student's cell in the place of one that was handed out.

    Of several with nbgrader's name the last. Where a program has dropped the name, a
    check is known by its text, an answer by what it defines, the first from `start` on.
    """
    named = [cell for cell in cells if _role(cell) == _role(given)]
    if named:
        return named[-1]
    is_check, source = _check(given)
    defined = set(NAMES.findall(source))
    for cell in cells[start:]:
        same = _plain(cell) == _plain(given)
        if not is_check:
            same = bool(defined) and defined <= set(NAMES.findall(cell["source"]))
        if same and not _role(cell):
            return cell
    return None


def _students(returned: Path, assignment: str) -> dict[str, list[File]]:
    """Every student's files, whatever archive they are in."""
    if not returned.is_dir() and not zipfile.is_zipfile(returned):
        raise ValueError(f"{returned}: neither a folder nor a ZIP archive")
    if not _readable(returned):
        raise ValueError(f"{returned}: cannot be read; change its permissions")
    files = [_read(file) for file in _walk(returned)]
    stem = re.sub(r" ?\(\d+\)$", "", returned.stem)  # of a second download
    if _around(files, {returned.stem.lower(), stem.lower(), assignment.lower()}):
        files = [f._replace(name=f.name.partition("/")[2]) for f in files]
    students: dict[str, list[File]] = {}
    called: dict[str, str] = {}
    for file in files:
        top, _, rest = file.name.partition("/")
        if not top:
            continue
        if match := MOODLE.fullmatch(top):
            top, rest = match[1], rest or match[2]
        elif match := CANVAS.fullmatch(top):
            top, rest = f"{match[1]}_{match[2]}", rest or match[3]
        elif not rest and not file.name.endswith("/"):
            rest = top
        top = re.sub(r"(\.(ipynb|txt|json|zip))+$", "", top, flags=re.IGNORECASE)
        top = unicodedata.normalize("NFC", top)
        # nbgrader reads some signs as a pattern, and its table knows no quotes.
        student = re.sub(r"[^\w .'@()-]", "_", top.replace(",", "")).strip(" .") or "_"
        while called.setdefault(student, top) != top:
            student += "_"
        own = students.setdefault(student, [])
        if rest and not rest.endswith("/"):
            own.append(file._replace(name=rest))
    return dict(sorted(students.items()))


def _around(files: list[File], names: set[str]) -> bool:
    """Whether one folder lies around all students' and is none of a student itself.

    It has one of these names, or holds nothing but several students' folders and files.
    """
    tops = {file.name.partition("/")[0] for file in files}
    if len(tops) != 1 or any(MOODLE.fullmatch(t) or CANVAS.fullmatch(t) for t in tops):
        return False
    inner = [file.name.split("/")[1:] for file in files]
    entries = {own[0] for own in inner if own and own[0]}
    folders = {own[0] for own in inner if len(own) > 1}
    students = {e for e in entries if MOODLE.fullmatch(e) or CANVAS.fullmatch(e)}
    several = len(entries) > 1 and entries <= folders | students
    return several or {top.lower() for top in tops} <= names


def _walk(path: Path, name: str = "") -> Iterator[File]:
    """The files below a folder or an archive; the names of folders end with /."""
    moment = time.localtime(path.lstat().st_mtime)[:6]
    if LITTER.search(name):
        return
    if path.is_symlink() or not (path.is_dir() or path.is_file()):
        yield File(name, moment, Refused("is a link or a device"))
    elif not _readable(path):
        yield File(name, moment, Refused("cannot be read here: change its permissions"))
    elif path.is_dir():
        if name:
            yield File(f"{name}/", moment, b"")
        for one in sorted(path.iterdir()):
            yield from _walk(one, f"{name}/{one.name}".lstrip("/"))
    elif not name or _packed(name):
        with path.open("rb") as file:
            yield from _unpacked(File(name, moment, b""), file)
    elif path.stat().st_size > LARGEST:
        yield File(name, moment, Refused(TOO_LARGE))
    else:
        yield File(name, moment, path.read_bytes())


def _readable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.X_OK if path.is_dir() else os.R_OK)


def _packed(name: str) -> bool:
    """Whether it is an archive; so are documents of Word, which are of no use."""
    return name.lower().endswith(".zip")


def _unpacked(outer: File, file: BinaryIO, depth: int = 0) -> Iterator[File]:
    """The files of an archive; nothing of it is written anywhere."""
    try:
        archive = zipfile.ZipFile(file)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        yield outer._replace(content=Refused("is a broken archive; hand it in again"))
        return
    for member in archive.infolist():
        own = _decoded(member).replace("\\", "/").removeprefix("./")
        name = f"{outer.name}/{own}".lstrip("/")
        if LITTER.search(name):
            continue
        content = b"" if member.is_dir() else _content(archive, member)
        inner = File(name, member.date_time, content)
        if isinstance(content, bytes) and _packed(name) and depth < 2:
            yield from _unpacked(inner, io.BytesIO(content), depth + 1)
        else:
            yield inner


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | Refused:
    if stat.S_ISLNK(member.external_attr >> 16):
        return Refused("is a link or a device")
    try:
        with archive.open(member) as file:
            content = file.read(LARGEST + 1)
    except NotImplementedError:
        return Refused("is packed in a way that is not known here; pack it as a ZIP")
    except RuntimeError:
        return Refused("the archive has a password")
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error):
        return Refused("cannot be unpacked; hand it in again")
    return content if len(content) <= LARGEST else Refused(TOO_LARGE)


def _decoded(member: zipfile.ZipInfo) -> str:
    """A name as it was meant: some programs do not say that theirs are UTF-8."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename
