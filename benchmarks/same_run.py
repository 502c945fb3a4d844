"""One training run, the same in every framework: how far apart do they drift?

    for framework in pytorch tensorflow jax mxnet; do
        python benchmarks/same_run.py $framework float32
        python benchmarks/same_run.py $framework float64
    done

Trains the plain network on the real Fashion-MNIST for 200 steps of 64 images from one
seed, and records the loss of each step and, after the last, the accuracy on the 10,000
test images. Each call replaces its own rows in the file that the chapter "Four
Frameworks, One Function" reads. The committed rows: two cores of an x86-64 processor,
no accelerator, the frameworks' own settings of threads; `package` has the versions.
"""

import argparse
import importlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from csv_files import FILES, package, record

from d2l_lite import PACKAGES
from d2l_lite.training.schedules import one_cycle

FILE = FILES / "four_frameworks" / "same_run.csv"
STEPS, BATCH_SIZE, LEARNING_RATE = 200, 64, 0.1
PARITY = Path(__file__).parents[1] / "tests" / "parity"


def run(framework: str, precision: str) -> tuple[list[float], float]:
    """The losses of all steps, and the share of test images that are right then."""
    # Where the tests cast a network to float64.
    sys.path.insert(0, str(PARITY))
    from measured import build
    from networks import BY_NAME

    module = importlib.import_module(f"d2l_lite.{framework}")
    data = module.FashionMNIST(scale="full")
    net = build(framework, module, BY_NAME["plain"], precision)
    trainer = module.Trainer(max_epochs=1, batch_size=BATCH_SIZE)
    step = trainer.prepare(net)
    rng = np.random.default_rng(0)
    batches = data.train.batches(BATCH_SIZE, shuffle=True, rng=rng)
    losses = []
    for number, (images, labels) in zip(range(STEPS), batches):
        rate = LEARNING_RATE * one_cycle(number, STEPS)
        losses.append(float(step(images.astype(precision), labels, rate)[0]))
        if number % 20 == 19:
            print(f"step {number + 1}: loss {losses[-1]:.4f}", flush=True)
    return losses, trainer.evaluate(net, data.test)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("framework", choices=PACKAGES)
    parser.add_argument("precision", choices=["float32", "float64"])
    parser.add_argument("--output", type=Path, default=FILE)
    options = parser.parse_args()
    # JAX reads it when it is imported.
    os.environ["JAX_ENABLE_X64"] = "1" if options.precision == "float64" else "0"
    losses, accuracy = run(options.framework, options.precision)
    fixed: dict[str, Any] = {
        "framework": options.framework,
        "precision": options.precision,
        "package": package(options.framework),
    }
    rows = [
        fixed | {"step": number, "loss": loss, "test_accuracy": ""}
        for number, loss in enumerate(losses, start=1)
    ]
    rows[-1]["test_accuracy"] = accuracy
    record(rows, options.output, replaced=("precision", "framework"))
    print(f"{options.output}: accuracy {accuracy:.4f} on the test images")


if __name__ == "__main__":
    main()
