"""What a training consists of between two epochs, and what can keep it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from d2l_lite.training.history import History


class TrainingDiverged(RuntimeError):
    """Loss or weights are no numbers any more.

    Attributes:
        found: what has become of them, and where.
        history: the epochs before.
    """

    def __init__(self, where: str, problem: str, history: History) -> None:
        self.found = f"training diverged at {where}: {problem}"
        super().__init__(f"{self.found}; take a new model and a smaller rate")
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
    """Where a training stands between two epochs, the model and velocities aside.

    Attributes:
        generator: the state of the one generator of order and augmentation.
        history: the finished epochs.
    """

    generator: dict[str, Any]
    history: History = field(default_factory=History)


class Keeper(Protocol):
    """What makes a training outlive its process: see `command.run_folder.RunFolder`."""

    def start(self, model: Any, step: Step, state: State) -> State:
        """Put model and velocities where the training was left; where that was."""

    def keep(self, model: Any, step: Step, state: State) -> None:
        """Keep what a finished epoch has left, so that `start` finds it."""
