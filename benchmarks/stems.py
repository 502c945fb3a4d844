"""What does the stem cost? The plain network, trained with each of its two.

    python benchmarks/stems.py

Trains it for three epochs on the real Fashion-MNIST with the stem for photographs, and
with the one for small inputs; nothing else differs. The chapter "Results" reads the
record. A stem that is in it is not trained again.
"""

import csv
from typing import Any

from csv_files import FILES, package, record

from d2l_lite import pytorch as d2l

RECORD = FILES / "results" / "stems.csv"
TRAINING: dict[str, Any] = {
    "max_epochs": 3,
    "batch_size": 64,
    "learning_rate": 0.1,
    "precision": "bfloat16",
    "augment": True,
}


def rows(small_inputs: bool, data: Any) -> list[dict[str, Any]]:
    """A row for each epoch, with the test in the last."""
    net = d2l.build("densenet", small_inputs=small_inputs, seed=0)
    trainer = d2l.Trainer(seed=0, **TRAINING)
    history = trainer.fit(net, data)
    tests = [""] * (len(history) - 1)
    tests.append(f"{trainer.evaluate(net, data.test)[1]:.4f}")
    columns = zip(history.epoch, history.train_error, history.validation_error, tests)
    fixed = {
        "package": package("pytorch"),
        "small_inputs": str(small_inputs),
        "parameters": d2l.count_parameters(net),
    }
    return [
        fixed
        | {
            "epoch": str(epoch),
            "train_error": f"{train:.4f}",
            "validation_error": f"{validation:.4f}",
            "test_accuracy": test,
        }
        for epoch, train, validation, test in columns
    ]


def main() -> None:
    done = set()
    if RECORD.exists():
        with RECORD.open(newline="", encoding="utf-8") as file:
            done = {row["small_inputs"] for row in csv.DictReader(file)}
    data = d2l.FashionMNIST(scale="full", validation=5000)
    for small_inputs in (False, True):
        if str(small_inputs) not in done:
            record(rows(small_inputs, data), RECORD, ("small_inputs", "epoch"))


if __name__ == "__main__":
    main()
