"""The process around a notebook's: locks it in, and leaves no process behind.

Called by the grader as `python -m d2l_classroom.grading.warden JOB`, with JOB as
JSON: see `main`. The notebook's process is its descendant.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

# The exit status of a child that could not get namespaces: then without them.
NO_NAMESPACES = 97
LARGEST_FILE = 512 << 20


def main(job: dict[str, Any]) -> int:
    """Run `command` in `work` of `folder`, locked in as far as the system lets us.

    `rules` are what `kernel.confine` takes, `report` the descriptor to which a line of
    JSON goes first, {"isolated": [...]}, `isolate` false for no isolation at all,
    `processes` how many the notebook may have. Returns the command's exit status,
    negative for a signal.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    if sys.platform != "linux":
        _report(job, [])
        return _watch(lambda: _become(job))
    from d2l_classroom.grading import kernel

    kernel.die_with_parent()
    kernel.adopt_orphans()
    # Where memory runs out, the system is to end the notebook and nothing else.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if job["isolate"]:
        status = _watch(lambda: _in_namespaces(job))
        if status != NO_NAMESPACES:
            return status
    return _watch(lambda: _alone(job))


def _in_namespaces(job: dict[str, Any]) -> int:
    from d2l_classroom.grading import kernel

    kernel.die_with_parent()
    try:
        kernel.enter_namespaces()
    except OSError:
        return NO_NAMESPACES
    # Its children are in the new namespace: the first is the parent of all orphans
    # there, cannot be killed from within, and takes all the rest along when it ends.
    return _watch(lambda: _first(job))


def _first(job: dict[str, Any]) -> int:
    from d2l_classroom.grading import kernel, sockets

    kernel.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        kernel.read_only_but(job["folder"])
    except OSError:
        return NO_NAMESPACES
    limit = job["processes"]
    # Counted within the namespace alone; elsewhere it would count the user's own, too.
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
    # The namespace's own, and gone with it.
    job["rules"].append(("/dev/shm", kernel.ALL))
    isolated = [*_confine(job), "processes"]
    # Sockets of the file system lead out of every namespace.
    if sockets.refuse_local():
        isolated.append("network")
    _report(job, isolated)
    # When this process ends, the system ends all others of the namespace.
    return _watch(lambda: _become(job), last=False)


def _alone(job: dict[str, Any]) -> int:
    from d2l_classroom.grading import kernel, sockets

    kernel.die_with_parent()
    isolated = []
    if job["isolate"]:
        isolated = _confine(job)
        sockets.refuse_local()
    if isolated and kernel.landlock_version() >= 6:
        isolated.append("processes")
    _report(job, isolated)
    _become(job)


def _confine(job: dict[str, Any]) -> list[str]:
    from d2l_classroom.grading import kernel

    if not kernel.landlock_version():
        return []
    kernel.confine(job["rules"])
    return ["files"]


def _become(job: dict[str, Any]) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.chdir(Path(job["folder"], "work"))
    command = job["command"]
    os.execv(command[0], command)


def _report(job: dict[str, Any], isolated: list[str]) -> None:
    line = json.dumps({"isolated": sorted(set(isolated))}) + "\n"
    os.write(job["report"], line.encode())


def _watch(work: Callable[[], int], last: bool = True) -> int:
    """Do the work in a child; reap whatever ends until it does, and end the rest."""
    child = os.fork()
    if not child:
        status = 1
        try:
            status = work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status if status >= 0 else 128 - status)
    status = None
    while status is None:
        ended, found = os.wait()
        if ended == child:
            status = os.waitstatus_to_exitcode(found)
    if last:
        _end_the_rest()
    return status


def _end_the_rest() -> None:
    """Kill the descendants that are left, all of which are children by now or soon."""
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not ended:
            import psutil

            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    process.kill()


if __name__ == "__main__":
    code = main(json.loads(sys.argv[1]))
    sys.exit(code if code >= 0 else 128 - code)
