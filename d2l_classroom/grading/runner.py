"""The notebook's process: runs one cell after the other, as the grader sends them.

Called as `python -m d2l_classroom.grading.runner IN OUT`: descriptors of pipes
that carry lines of JSON. The first tells the imports of the worksheet, each further one
a cell: {"check": whether it is one, "names": [those it gives for good], "source": …,
"token": …}. Each is answered by {"token": …, "error": … or null, "value": number or
null, "put_back": [names]}.
"""

import ast
import importlib
import json
import os
import pkgutil
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell

import d2l_classroom
from d2l_classroom.grading.guard import Guard
from d2l_lite import PACKAGES

LONGEST = 2000


class _Forgotten(dict):
    """Where IPython would keep all that is printed: a gigabyte of it, if that."""

    def __missing__(self, key: int) -> list:
        return []


class Shell(InteractiveShell):
    """IPython without a terminal, a history and commands of the system."""

    def system(self, command: str) -> None:
        """Say that a line of the system's shell is not run."""
        print(f"not run while grading: {command}")

    def getoutput(self, command: str, *_: Any, **__: Any) -> list[str]:
        """Say that a line of the system's shell is not run; it has no output."""
        self.system(command)
        return []

    def ask_exit(self) -> None:
        """Take `exit()`, which ends a notebook's kernel: later cells still count."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Take `%matplotlib inline` and the like, which need nothing here."""


def main(incoming: int, outgoing: int) -> None:
    """Answer the grader's cells until it has no more."""
    # Names of our own, which a notebook that patches modules does not change.
    dumps, loads, write = json.dumps, json.loads, os.write
    lines = os.fdopen(incoming, "r", encoding="utf-8")
    imports = compile(loads(lines.readline())["imports"], "<imports>", "exec")
    HistoryManager.enabled = False
    shell = Shell.instance(colors="nocolor", xmode="Minimal")
    shell.history_manager.outputs = _Forgotten()
    streams = sys.stdout, sys.stderr
    # The student's own modules come last: they take no other's place.
    sys.path.append(str(Path.cwd()))
    prepared: dict[str, Any] = {}
    exec(imports, prepared)
    _load_checker()
    used = {
        value.__name__: value
        for value in prepared.values()
        if isinstance(value, ModuleType)
    }
    guard = Guard(used)
    given: dict[str, Any] = {}
    for line in lines:
        cell = loads(line)
        sys.stdout, sys.stderr = streams
        answer = {"token": cell["token"], "error": None, "value": None, "put_back": []}
        if cell["check"]:
            changed = guard.put_back() + _rebind(given, shell.user_ns)
            # What a check calls by these names is what the worksheet imported.
            exec(imports, shell.user_ns)
            answer["error"], answer["value"] = _check(cell["source"], shell.user_ns)
            answer["put_back"] = [*changed, *guard.put_back()][:20]
        else:
            answer["error"] = _run(cell["source"], shell)
            given |= {n: shell.user_ns[n] for n in cell["names"] if n in shell.user_ns}
        for stream in streams:
            # The notebook may have closed it.
            with suppress(OSError, ValueError):
                stream.flush()
        write(outgoing, (dumps(answer) + "\n").encode())


def _load_checker() -> None:
    """Import the modules of the checker, so that none of them is the student's."""
    for module in pkgutil.iter_modules(d2l_classroom.__path__):
        # Of the frameworks' own those that the worksheet needs, and no other framework.
        needed = module.name not in PACKAGES or f"d2l_lite.{module.name}" in sys.modules
        if needed and not module.ispkg:
            importlib.import_module(f"{d2l_classroom.__name__}.{module.name}")


def _rebind(given: dict[str, Any], namespace: dict[str, Any]) -> list[str]:
    """Give the teacher's names back to what the teacher defined; returns the others."""
    found = [name for name in given if namespace.get(name) is not given[name]]
    namespace |= given
    return found


def _run(source: str, shell: Shell) -> str | None:
    """Run a student's cell; returns the error that ended it, if one did."""
    result = shell.run_cell(source, store_history=False)
    error = result.error_before_exec or result.error_in_exec
    return None if error is None else _say(error)


def _check(source: str, namespace: dict[str, Any]) -> tuple[str | None, float | None]:
    """Run a teacher's cell; returns its error, and its last expression if a number."""
    value = last = None
    try:
        tree = ast.parse(source, "<check>")
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = tree.body.pop()
        exec(compile(tree, "<check>", "exec"), namespace)
        if last is not None:
            expression = compile(ast.Expression(last.value), "<check>", "eval")
            value = eval(expression, namespace)
    except BaseException as error:
        # Of the lines that lead here, those of the cell alone.
        trace = error.__traceback__
        traceback.print_exception(type(error), error, trace and trace.tb_next)
        return _say(error), None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return None, float(value) if is_number else None


def _say(error: BaseException) -> str:
    """The error as one text, whatever it is."""
    try:
        text = str(error)
    except BaseException:
        text = "(an error that cannot be printed)"
    name = type(error).__name__
    if isinstance(error, AssertionError):
        return text[:LONGEST] or "the check does not hold"
    return f"{name}: {text}"[:LONGEST]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
    # Threads and exit handlers of the notebook have no say any more.
    os._exit(0)
