"""What the book's blocks answer, recorded for `check`.

    python benchmarks/classroom.py

Writes `d2l_classroom/recorded.safetensors`, for the weights and images with which
`check` tries a student's block: each framework's outputs in training mode, and the
gradients in double precision, from PyTorch. It takes seconds.
"""

from functools import partial
from importlib import import_module
from types import ModuleType

import numpy as np
from safetensors.numpy import save_file

from d2l_classroom.framework import of
from d2l_classroom.programs import INPUT
from d2l_classroom.reference import FILE, reference
from d2l_classroom.trial import BUILDERS, Trial
from d2l_lite import PACKAGES
from d2l_lite.networks.weights import is_trainable

TASKS = [task for task in BUILDERS if task != "memory_efficient_block"]


def book(library: ModuleType, task: str):
    """The book's own answer to a task."""
    if task == "bottleneck_block":
        return partial(library.conv_block, bottleneck=True)
    return getattr(library, BUILDERS[task])


def gradients(task: str) -> dict[str, np.ndarray]:
    """By every parameter and the input, under canonical names."""
    import torch

    library, checked = import_module("d2l_lite.pytorch"), reference(task)
    program = checked.program
    given, make = program.arguments, book(library, task)
    block = (make(**given) if program.keywords else make(*given.values())).double()
    names = library.get_weights(block)
    library.set_weights(block, dict(zip(names, checked.weights.values(), strict=True)))
    X = torch.tensor(checked.images, dtype=torch.float64, requires_grad=True)
    block.train()(X).backward(torch.tensor(checked.cotangent, dtype=torch.float64))
    learnt = filter(is_trainable, program.shapes)
    arrays = zip([INPUT, *learnt], [X, *block.parameters()], strict=True)
    return {f"gradients {task} {name}": array.grad.numpy() for name, array in arrays}


def main() -> None:
    found = {}
    for task in TASKS:
        found |= gradients(task)
        for name in PACKAGES:
            framework = of(name)
            answer = book(import_module(f"d2l_lite.{name}"), task)
            run = Trial(framework, reference(task), answer).run(training=True)
            found[f"{name} {task}"] = run.output.astype(np.float32)
    save_file(found, FILE)


if __name__ == "__main__":
    main()
