"""What a notebook's processes take, whether that is too much, and their end."""

import contextlib
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from d2l_classroom.grading import places

MOST_DISK, MOST_FILES = 1 << 30, 20_000
MOST_PROCESSES = 64


@dataclass(frozen=True)
class Limits:
    """What one notebook may take: seconds, and MiB of all its processes together."""

    seconds: float
    memory: int


def check_memory(warden: psutil.Process, most: Limits) -> tuple[int, str]:
    """MiB that the warden's descendants hold, and what is too much of it, or ""."""
    memory = count = 0
    with contextlib.suppress(psutil.Error):
        for process in warden.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                memory += process.memory_info().rss
                count += 1
    if memory >> 20 > most.memory:
        return memory >> 20, f"memory limit of {most.memory:,} MiB reached"
    many = f"more than {MOST_PROCESSES} processes" if count > MOST_PROCESSES else ""
    return memory >> 20, many


def check_disk(room: Path) -> str:
    """Whether the files in a room are too much, in words, else ""."""
    size, count = places.used(room, MOST_FILES)
    if size > MOST_DISK or count > MOST_FILES:
        return "too much written: 1 GiB and 20,000 files are allowed"
    return ""


def end(process: subprocess.Popen) -> None:
    """End a notebook's processes, its warden last: orphans become the warden's."""
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            children = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            break
        # Stopped first, all of them: what is stopped makes no new ones.
        for act in (psutil.Process.suspend, psutil.Process.kill):
            for child in children:
                with contextlib.suppress(psutil.Error):
                    act(child)
        if not children:
            process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    process.kill()
    process.wait()
