"""What a training consists of between two of its steps, and what can keep it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from d2l_lite.training.history import History


class TrainingDiverged(RuntimeError):
    """Loss or weights are no numbers any more; `history` holds the epochs before."""

    def __init__(self, where: str, problem: str, history: History) -> None:
        super().__init__(
            f"training diverged at {where}: {problem}; take a new model and a smaller "
            "rate"
        )
        self.history = history


@dataclass(frozen=True)
class Step:
    """One step of training as a framework does it, and what it keeps between steps.

    Args:
        train: `train(images, labels, rate) -> (loss, correct)`, as `Trainer.prepare`
            has it.
        read: the velocities as NumPy arrays, under the parameters' canonical names.
        write: sets all velocities from such arrays.
        reseed: seeds the generator of dropout; None where nothing is drawn.
    """

    train: Callable[[np.ndarray, np.ndarray, float], tuple[Any, Any]]
    read: Callable[[], dict[str, np.ndarray]]
    write: Callable[[Mapping[str, np.ndarray]], None]
    reseed: Callable[[int], None] | None = None

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, rate: float
    ) -> tuple[Any, Any]:
        return self.train(images, labels, rate)


@dataclass
class State:
    """Where a training stands between two steps, the model and velocities aside.

    Attributes:
        generator: of order and augmentation, as it was when the epoch began.
        history: the finished epochs.
        results: mean loss, right predictions and images of each step since then.
        seconds: spent on these steps.
    """

    generator: dict[str, Any]
    history: History = field(default_factory=History)
    results: list[tuple[float, float, int]] = field(default_factory=list)
    seconds: float = 0.0


class Keeper(Protocol):
    """What makes a training outlive its process: see `command.run_folder.Run`."""

    def start(self, model: Any, step: Step, state: State) -> State:
        """Put model and velocities where the training was left; where that was."""

    def due(self, steps: int) -> bool:
        """Whether to keep the state within an epoch, after so many of its steps."""

    def keep(self, model: Any, step: Step, state: State) -> None:
        """Keep the state, so that `start` finds it."""
