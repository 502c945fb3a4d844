"""What a check says: its lines as they are printed, and its result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Message(NamedTuple):
    """What is wrong.

    Attributes:
        hint: what differs and where to look; it is told at once.
        cause: what is done instead and what to do about it; it is told on request.
            Empty where the hint says all.
    """

    hint: str
    cause: str = ""


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        task: its name.
        parts: for each thing that is looked at, whether it is right.
        attempted: whether there is an answer; False where the gap is as it was.
        messages: what is wrong, the first is the one to begin with; empty if passed.
    """

    task: str
    parts: Mapping[str, bool]
    attempted: bool
    # They have been printed: a notebook need not show them again.
    messages: tuple[str, ...] = field(repr=False)

    @property
    def passed(self) -> bool:
        """Whether the answer does what the reference does."""
        return self.points == 1

    @property
    def points(self) -> float:
        """The share of the parts that are right, 0 to 1."""
        return sum(self.parts.values()) / len(self.parts)

    def grade(self, points: float, whole: bool = False) -> float:
        """The points for this answer out of `points`, which nbgrader reads.

        With `whole` there are all points or none.
        """
        share = float(self.passed) if whole else self.points
        found = round(share * points, 2)
        print(f"{found:g} of {points:g} points:")
        return found

    def require(self) -> None:
        """Raise AssertionError with the first message unless the check has passed."""
        if not self.passed:
            raise AssertionError(self.messages[0])


class Results:
    """Collects a report part by part.

    Args:
        task: the check's name.
        names: of the parts.
        explain: whether causes are told, not only hints.
    """

    def __init__(self, task: str, names: tuple[str, ...], explain: bool):
        self.task, self.explain = task, explain
        self.parts = dict.fromkeys(names, False)
        self.judged: set[str] = set()
        self.lines: list[str] = []
        self.messages: list[str] = []
        self.attempted = True
        self.more = False

    def right(self, name: str, text: str) -> None:
        """A part is right."""
        self.parts[name] = True
        self.judged.add(name)
        self.lines.append(f"✓ {text}")

    def note(self, text: str) -> None:
        """Something to know, which costs no points."""
        self.lines.append(f"· {text}")

    def wrong(self, name: str, *messages: Message) -> None:
        """A part is wrong, for these reasons; an empty name for all of them."""
        self.judged.add(name)
        self.more = self.more or any(message.cause for message in messages)
        texts = [m.cause or m.hint if self.explain else m.hint for m in messages]
        texts = list(dict.fromkeys(t for t in texts if t not in self.messages))
        self.messages += texts
        start = f"{name}: " if name else ""
        first, *others = texts or ["see above"]
        self.lines.append(f"✗ {start}{first}")
        if self.explain:
            self.lines += [f"  also: {other}" for other in others]

    def unjudged(self) -> None:
        """Parts that nothing can be said about before others are right."""
        names = [name for name in self.parts if name not in self.judged]
        if names and "" not in self.judged:
            self.lines.append(f"– {listed(names)}: to be seen when the rest is right")

    def untouched(self, where: str) -> None:
        """Nothing has been answered yet."""
        self.attempted, self.more = False, False
        self.messages = [f"not attempted yet{where}"]
        self.lines = [f"○ {self.task}: {self.messages[0]}"]

    def sealed(self, what: str) -> None:
        """Nothing is told about this answer."""
        self.attempted, self.more = False, False
        self.messages = [f"{what}: say first which line is wrong, and why"]
        self.lines = [f"○ {self.task}: {self.messages[0]}"]

    @property
    def report(self) -> Report:
        parts = self.parts if self.attempted else dict.fromkeys(self.parts, False)
        return Report(self.task, parts, self.attempted, tuple(self.messages))


def digits(value: float) -> str:
    """Two digits of a difference: 4.1e-3."""
    if not value > 0:
        return "0" if value == 0 else str(value)
    mantissa, exponent = f"{value:.1e}".split("e")
    if -1 <= int(exponent) <= 2:
        return f"{value:.2g}"
    return f"{mantissa}e{int(exponent)}"


def short(value: float) -> str:
    """A setting as one writes it in a program: 1e-3, 0.9, 1.5e-4."""
    if 1e-2 <= abs(value) < 1e4:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def shape(lengths: tuple[int, ...]) -> str:
    """2×11×6×8."""
    return "×".join(map(str, lengths)) or "of a single number"


def listed(words: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
