"""What checks rely on, noted before a student's code runs and put back after it."""

import builtins
import sys
from types import FunctionType, ModuleType
from typing import Any

# They replace functions of their own, as PyTorch does when it first compiles.
FRAMEWORKS = ("flax", "jax", "keras", "mxnet", "tensorflow", "torch")


class Guard:
    """The functions and classes of the checker and of the modules that checks use.

    Of d2l_lite it knows what functions do and what classes hold, of other modules the
    names alone. It hinders who patches a checker; who reads this file can get round it.
    """

    def __init__(self, modules: dict[str, ModuleType]):
        own = {
            name: module
            for name, module in sys.modules.items()
            if name.partition(".")[0] == "d2l_lite"
        }
        self._names = [
            (name, module, key, value)
            for name, module in {"builtins": builtins, **modules, **own}.items()
            for key, value in list(vars(module).items())
            if callable(value)
        ]
        self._functions = []
        for name, module in own.items():
            for key, value in list(vars(module).items()):
                if getattr(value, "__module__", None) == name:
                    self._note(f"{name}.{key}", value)

    def _note(self, place: str, value: Any) -> None:
        if isinstance(value, type):
            for key, member in list(vars(value).items()):
                function = getattr(member, "__func__", member)
                if isinstance(function, FunctionType):
                    self._names.append((place, value, key, member))
                    self._note(f"{place}.{key}", function)
        elif isinstance(value, FunctionType):
            keywords = dict(value.__kwdefaults__ or {})
            parts = place, value, value.__code__, value.__defaults__, keywords
            self._functions.append(parts)

    def put_back(self) -> list[str]:
        """Undo what was changed since; returns the names of what that was."""
        found = []
        for place, owner, key, value in self._names:
            now = vars(owner).get(key)
            if now is not value and not _by_itself(place, now):
                setattr(owner, key, value)
                found.append(f"{place}.{key}")
        for place, function, code, defaults, keywords in self._functions:
            now = function.__kwdefaults__ or {}
            same = now.keys() == keywords.keys() and all(
                now[name] is keywords[name] for name in keywords
            )
            same = same and function.__defaults__ is defaults
            if not same or function.__code__ is not code:
                function.__code__, function.__defaults__ = code, defaults
                function.__kwdefaults__ = dict(keywords) or None
                found.append(place)
        return found


def _by_itself(place: str, value: Any) -> bool:
    """Whether a framework has put something of its own into a module of its own."""
    package = place.partition(".")[0]
    origin = str(getattr(value, "__module__", None)).partition(".")[0]
    return package in FRAMEWORKS and origin == package
