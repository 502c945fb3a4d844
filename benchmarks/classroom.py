"""What the book's blocks answer in each framework, recorded for `check`.

    python benchmarks/classroom.py

Writes `d2l_lite/classroom/recorded.safetensors`: outputs in training mode for the
weights and images with which `check` tries a student's block. It takes seconds.
"""

import importlib
from functools import partial

import numpy as np

from d2l_classroom.recorded import FILE
from d2l_classroom.reference import reference
from d2l_classroom.trial import BUILDERS, Trial
from d2l_lite import PACKAGES
from d2l_lite.networks import weights


def main() -> None:
    found = {}
    for framework in PACKAGES:
        module = importlib.import_module(f"d2l_lite.{framework}")
        bottleneck = partial(module.conv_block, bottleneck=True)
        for task, name in BUILDERS.items():
            if task == "memory_efficient_block":
                continue
            block = bottleneck if task == "bottleneck_block" else getattr(module, name)
            trial = Trial(module.check.__self__.bench, reference(task), block)
            run = trial.run(training=True)
            found[f"{framework} {task}"] = run.output.astype(np.float32)
    weights.save(FILE, found, {})


if __name__ == "__main__":
    main()
