"""What a check says: its lines as they are printed, and its result."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        task: its name.
        passed: whether the answer does what the reference does.
        messages: what is wrong, the first is the one to begin with; empty if passed.
        points: the share of the levels that the answer reaches, 0 to 1.
    """

    task: str
    passed: bool
    # They have been printed: a notebook need not show them again.
    messages: tuple[str, ...] = field(repr=False)
    points: float

    def require(self) -> None:
        """Raise AssertionError with the first message unless the check has passed."""
        if not self.passed:
            raise AssertionError(self.messages[0])


@dataclass
class Levels:
    """Collects a report level by level; the first that fails is the last."""

    task: str
    names: tuple[str, ...]
    # Messages on curves say themselves which one they mean, and fail in any order.
    named: bool = True
    lines: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    reached: int = 0

    def reach(self, text: str) -> None:
        """A level is reached."""
        self.reached += 1
        self.lines.append(f"✓ {text}")

    def remark(self, text: str) -> None:
        """Something to know, which costs no points."""
        self.lines.append(f"· {text}")

    def fail(self, messages: list[str]) -> None:
        """The next level is not reached, for these reasons."""
        name = f"{self.names[self.reached]}: " if self.named else ""
        first, *others = messages
        self.messages += messages
        self.lines.append(f"✗ {name}{first}")
        self.lines += [f"  also: {other}" for other in others]

    @property
    def report(self) -> Report:
        passed = not self.messages and self.reached == len(self.names)
        points = self.reached / len(self.names)
        return Report(self.task, passed, tuple(self.messages), points)


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
