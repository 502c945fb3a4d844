"""What two processes find that train together, for `test_devices_pytorch.py`.

`python -m torch.distributed.run --nproc-per-node=2 devices_pytorch.py FILE` writes a
list: what each process has found.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.distributed as dist

from d2l_lite import pytorch as d2l
from d2l_lite.data.image_set import ImageSet
from d2l_lite.networks.weights import is_trainable

NETWORK = {"growth_rate": 4, "block_config": (2, 2)}
RATE = 0.5
# A step that says what the gradient was.
PLAIN = {"max_epochs": 1, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}


def build(precision="float64", **changes):
    """A small DenseNet-BC with the weights of a seed."""
    net = d2l.build("densenet-bc-40-12", seed=3, **NETWORK | changes)
    return net.to(getattr(torch, precision))


def batch(size=8):
    """Images 3×16×16 whose two halves have other means and variances, and labels."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((size, 3, 16, 16))
    X[size // 2 :] = 0.5 * X[size // 2 :] + 1
    return X, rng.integers(0, 10, size)


def data():
    """Images to train on and to validate: four batches of 8, one of 8."""
    rng, sets = np.random.default_rng(6), []
    for size in (32, 8):
        images = rng.integers(0, 256, (size, 3, 16, 16), np.uint8)
        labels = rng.integers(0, 10, size)
        about = tuple("0123456789"), (0.5,) * 3, (0.25,) * 3
        sets.append(ImageSet(images, labels, *about))
    return SimpleNamespace(train=sets[0], validation=sets[1])


def step(net, **options):
    """Loss, right predictions, gradient and running statistics of one step."""
    before = d2l.get_weights(net)
    loss, correct = d2l.Trainer(**PLAIN | options).prepare(net)(*batch(), RATE)
    after = d2l.get_weights(net)
    gradient = {n: (before[n] - after[n]) / RATE for n in after if is_trainable(n)}
    statistics = {n: after[n] for n in after if not is_trainable(n)}
    return {
        "loss": float(loss),
        "correct": float(correct),
        "gradient": gradient,
        "statistics": statistics,
    }


def fit(**options):
    """The history of three epochs, and the network's weights after them."""
    net = build()
    trainer = d2l.Trainer(
        max_epochs=3, batch_size=8, augment=True, progress="none", **options
    )
    history = asdict(trainer.fit(net, data()))
    del history["seconds"]
    return {"history": history, "weights": d2l.get_weights(net)}


def masks():
    """Which of a thousand outputs dropout forgets after a seed of the loop's."""
    train = d2l.Trainer(**PLAIN).prepare(build(dropout=0.2))
    train.reseed(7)
    return torch.nn.functional.dropout(torch.ones(1000), 0.2).tolist()


def error(call):
    """What the ValueError of a call says."""
    try:
        call()
    except ValueError as error:
        return str(error)


def alone():
    """Whether the first process can use a network that both have trained."""
    net = build()
    kinds = [type(module).__name__ for module in net.modules()]
    d2l.Trainer(**PLAIN).prepare(net)(*batch(), RATE)
    if dist.get_rank() == 0:
        X, y = map(d2l.to_tensor, batch())
        torch.nn.functional.cross_entropy(net(X), y).backward()
        d2l.predict(net, batch()[0])
        d2l.save(net, sys.argv[1] + ".safetensors")
    return kinds == [type(module).__name__ for module in net.modules()]


def facts():
    """All that this process finds."""
    trainer = d2l.Trainer(**PLAIN)
    return {
        "primary": trainer.primary,
        "sync": step(build(), devices=2),
        "memory-efficient": step(build(memory_efficient=True), devices=2),
        "apart": step(build(), devices=2, sync_batch_norm=False),
        "bfloat16": step(build("float32"), devices=2, precision="bfloat16"),
        "fit": fit(devices=2),
        "masks": masks(),
        "alone": alone(),
        "unequal": error(lambda: trainer.prepare(build())(*batch(7), RATE)),
        "too many": error(lambda: d2l.Trainer(1, 63, devices=3).prepare(build())),
    }


if __name__ == "__main__":
    mine = json.dumps(facts(), default=np.ndarray.tolist)
    everyone = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    if dist.get_rank() == 0:
        Path(sys.argv[1]).write_text(f"[{','.join(everyone)}]", encoding="utf-8")
    dist.destroy_process_group()
