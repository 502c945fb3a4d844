"""What the repository's history says about the book's files."""

import subprocess
from datetime import date
from pathlib import Path


def last_changes(root: Path) -> dict[str, date]:
    """The day of the last commit of each file, by its name; empty without a history."""
    shallow = git(root, "rev-parse", "--is-shallow-repository")
    if shallow is None or shallow.strip() == "true":
        return {}
    days: dict[str, date] = {}
    day = None
    log = git(root, "log", "--format=%x00%cs", "--name-only", "--", "book", "chapters")
    for line in (log or "").splitlines():
        if line.startswith("\0"):
            day = date.fromisoformat(line[1:])
        elif line and day:
            days.setdefault(line, day)
    return days


def git(root: Path, *arguments: str) -> str | None:
    """What git says about the repository; None where there is none, or no git."""
    command = ["git", "-c", "core.quotePath=off", *arguments]
    try:
        result = subprocess.run(command, cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return None if result.returncode else result.stdout
