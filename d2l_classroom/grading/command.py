"""python -m d2l_lite grade: its options, and what it writes."""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import d2l_lite
from d2l_lite import DataError
from d2l_lite.command.environment import cores
from d2l_lite.command.options import OptionError

KINDS = ("files", "network", "processes")


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="what the students returned"
    )
    parser.add_argument(
        "--against",
        metavar="DIR",
        type=Path,
        help="the worksheets as given out, or their solutions: their checks are run "
        "(default: the book's)",
    )
    parser.add_argument(
        "--worksheet", metavar="NAME", help="grade copies of this worksheet alone"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("grades"), help="for the tables"
    )
    parser.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=float,
        default=300.0,
        help="for each notebook (default 300)",
    )
    parser.add_argument(
        "--memory-limit",
        metavar="MIB",
        type=int,
        default=4096,
        help="for each notebook, all its processes together (default 4096)",
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=int,
        default=max(1, cores() // 2),
        help="notebooks at a time (default: half the cores)",
    )


def run(chosen: argparse.Namespace) -> str:
    """Grade a folder; returns the summary.

    Raises:
        OptionError: a limit that is no positive number, an unknown worksheet.
        DataError: no notebooks, no worksheets, or what grading needs is missing.
    """
    for name in ("time_limit", "memory_limit", "jobs"):
        if not getattr(chosen, name) > 0:
            raise OptionError(f"--{name.replace('_', '-')}: must be more than 0")
    if os.name != "posix":
        raise DataError("grade runs on Linux and macOS; on Windows, in WSL")
    if missing := [name for name in ("IPython", "psutil") if not find_spec(name)]:
        needs = " and ".join(missing)
        raise DataError(f"grade needs {needs}: pip install 'd2l-lite[grade]'")
    return _grade(chosen)


def _grade(chosen: argparse.Namespace) -> str:
    # Not before it is known that what they need is there.
    from d2l_classroom.grading import places, sheets, tables
    from d2l_classroom.grading.grade import grade_all
    from d2l_classroom.grading.limits import Limits
    from d2l_classroom.grading.page import write_page

    known = sheets.load(chosen.against or _own_worksheets())
    if not chosen.folder.is_dir():
        raise DataError(f"{chosen.folder}: not a folder")
    returned = places.find(chosen.folder, {sheet.name for sheet in known})
    if chosen.worksheet is not None:
        returned, known = _only(chosen.worksheet, returned, known)
    if not returned:
        raise DataError(f"{chosen.folder}: no notebooks to grade (*.ipynb)")
    chosen.out.mkdir(parents=True, exist_ok=True)
    grades = []
    isolation = ""
    try:
        done = grade_all(
            returned, known, Limits(chosen.time_limit, chosen.memory_limit), chosen.jobs
        )
        for grade in done:
            grades.append(grade)
            if grade.isolated and not isolation:
                isolation = describe(grade.isolated)
                print(isolation, file=sys.stderr, flush=True)
            line = f"[{len(grades)}/{len(returned)}] {grade.returned.file}: "
            print(line + f"{grade.points:g} of {grade.most:g}", file=sys.stderr)
    finally:
        if not isolation:
            isolation = describe(())
            print(isolation, file=sys.stderr, flush=True)
        # What is graded is kept, however it ends.
        tables.write_csv(grades, chosen.out / "grades.csv")
        write_page(grades, isolation, chosen.out / "grades.html")
    where = f"{chosen.out / 'grades.csv'} and {chosen.out / 'grades.html'}"
    return f"{tables.summary(grades, len(returned))}\n{where}"


def _only(name: str, returned: list, known: list) -> tuple[list, list]:
    kept = [sheet for sheet in known if sheet.name == name]
    if not kept:
        names = ", ".join(dict.fromkeys(sheet.name for sheet in known))
        raise OptionError(f"--worksheet: {name}: there are {names}")
    others = {sheet.name for sheet in known} - {name}
    return [one for one in returned if not one.words & others], kept


def _own_worksheets() -> Path:
    folder = Path(d2l_lite.__file__).parents[1] / "chapters" / "worksheets"
    if not folder.is_dir():
        raise DataError(
            "the worksheets are not beside the package: name their folder in --against"
        )
    return folder


def describe(isolated: tuple[str, ...]) -> str:
    """What notebooks cannot reach on this system, and what they can, in a sentence."""
    missing = [kind for kind in KINDS if kind not in isolated]
    if not isolated:
        return (
            "It is not known that notebooks were isolated from anything on this "
            "system. Grade those that you do not trust in a virtual machine."
        )
    if not missing:
        return (
            "Isolated: notebooks could not reach the network, other processes, or "
            "files beside those that they need to read."
        )
    return (
        f"Not isolated on this system: {', '.join(missing)}. Grade notebooks that you "
        "do not trust in a container or a virtual machine."
    )
