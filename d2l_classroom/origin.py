"""What code an answer is made of: the book's own, or what a worksheet has given."""

from collections.abc import Callable
from dis import get_instructions
from types import CodeType, FunctionType, ModuleType
from typing import Any

_given: dict[int, list[tuple]] = {}
_diagnosed: set[int] = set()


def given(number: int, code: Any) -> None:
    """Remember the function or class of a bug as it stands in the worksheet.

    Until `diagnose` has found its bug, `check` says nothing more about the same code.
    What is remembered first stays.
    """
    _given.setdefault(number, _program(code))


def diagnosed(number: int) -> None:
    """The bug has been found: from now on the code can be explained."""
    _diagnosed.add(number)


def secret(answer: Any) -> int | None:
    """The number of the bug, not yet found, that this code has unchanged."""
    program = _program(answer)
    same = [n for n, given in _given.items() if given == program]
    return next((n for n in same if n not in _diagnosed), None)


def made_of(answer: Any, book: Callable, option: str | None = None) -> bool:
    """Whether an answer is a function of the book, or calls it (with this option)."""
    if answer is book or getattr(answer, "func", None) is book:
        return True
    for function in _functions(answer):
        known = _globals(function)
        modules = [thing for thing in known if isinstance(thing, ModuleType)]
        names = [name for code in _codes(function.__code__) for name in code.co_names]
        called = known + [getattr(m, name, None) for m in modules for name in names]
        if any(thing is book for thing in called):
            return option is None or option in _keywords(function.__code__)
    return False


def _functions(thing: Any, seen: tuple = ()) -> list[FunctionType]:
    """A function or a class's methods, and what they call of their own notebook."""
    if any(thing is other for other in seen):
        return []
    seen = (*seen, thing)
    if isinstance(thing, type):
        parts = [v for v in vars(thing).values() if isinstance(v, FunctionType)]
        return [f for part in parts for f in _functions(part, seen)]
    if not isinstance(thing, FunctionType):
        return []
    own = [
        part
        for part in _globals(thing)
        if isinstance(part, (type, FunctionType))
        and part.__module__ == thing.__module__
    ]
    return [thing, *(f for part in own for f in _functions(part, seen))]


def _program(thing: Any) -> list[tuple]:
    return [_text(function.__code__) for function in _functions(thing)]


def _globals(function: FunctionType) -> list[Any]:
    """What a function has from its notebook."""
    steps = [s for c in _codes(function.__code__) for s in get_instructions(c)]
    names = [step.argval for step in steps if step.opname == "LOAD_GLOBAL"]
    around = function.__globals__
    return [around[name] for name in names if name in around]


def _codes(code: CodeType) -> list[CodeType]:
    """A code, and those of the functions that are defined in it."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return [code, *(c for part in inner for c in _codes(part))]


def _keywords(code: CodeType) -> set[str]:
    """The names of arguments in calls: Python keeps them as tuples, a dict as texts."""
    constants = [c for own in _codes(code) for c in own.co_consts]
    return {n for c in constants for n in (c if isinstance(c, tuple) else (c,))}


def _text(code: CodeType) -> tuple:
    """A function's instructions without the place where they stand."""
    constants = tuple(
        _text(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts
    )
    return code.co_code, code.co_names, code.co_varnames, constants
