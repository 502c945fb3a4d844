"""What the book's block in each framework once answered, as a file of the package."""

from functools import cache
from pathlib import Path

import numpy as np

from d2l_classroom.bench import Bench
from d2l_classroom.report import digits
from d2l_classroom.trial import Run
from d2l_lite import TITLES
from d2l_lite.networks import weights

FILE = Path(__file__).with_name("recorded.safetensors")


@cache
def answers() -> dict[str, np.ndarray]:
    """Outputs in training mode under "framework task"."""
    return weights.load(FILE)


def other(framework: str) -> str:
    """The framework to compare with unless another one is asked for."""
    return "tensorflow" if framework == "pytorch" else "pytorch"


def line(bench: Bench, task: str, run: Run, against: str) -> str:
    """A block beside another framework's, in one sentence."""
    task = "dense_block" if task == "memory_efficient_block" else task
    theirs = answers()[f"{against} {task}"]
    apart = digits(float(abs(run.output - theirs).max()))
    noun = "network" if task == "densenet" else "block"
    return (
        f"Your {bench.title} {noun} equals the book's {TITLES[against]} one to {apart}."
    )
