"""What `test_devices_pytorch.py` looks at: PyTorch in one process, or in two.

`devices_pytorch.py FILE` writes the facts of one process as an .npz file;
`python -m torch.distributed.run --nproc-per-node=2 devices_pytorch.py FILE` those of
two that train together, each its own, with its rank before the name.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import two_devices
from two_devices import APART, PLAIN_SGD, RATE, Facts, batch, data

from d2l_lite import pytorch as d2l

X, y = batch()


def build(precision="float64", **changes):
    return two_devices.build(d2l, **changes).to(getattr(torch, precision))


def one(facts):
    facts.before()
    facts.step("one")
    facts.epochs("1", build(), data())
    facts.mixed_precision({"float32": {}, "bfloat16": {"precision": "bfloat16"}})


def two(facts):
    facts.step("two", devices=2)
    facts.step("efficient", build(memory_efficient=True), devices=2)
    facts.step("apart", **APART)
    facts.epochs("2", build(), data(), devices=2)
    both = {"precision": "bfloat16", "devices": 2}
    facts.mixed_precision({"bfloat16 on two": both})
    # Which of a thousand outputs dropout forgets after a seed of the loop's.
    d2l.Trainer(**PLAIN_SGD).prepare(build(dropout=0.2)).reseed(7)
    kept = torch.nn.functional.dropout(torch.ones(1000), 0.2)
    facts["forgotten"] = (kept == 0).numpy()
    cases = {"3 devices": {"devices": 3, "batch_size": 63}, "5 images": {"devices": 2}}
    facts.errors(cases)


def alone(facts, folder):
    """Whether the first process can use a network that both have trained."""
    net = build()
    kinds = [type(module).__name__ for module in net.modules()]
    d2l.Trainer(**PLAIN_SGD).prepare(net)(X, y, RATE)
    if dist.get_rank() == 0:
        images, labels = map(d2l.to_tensor, (X, y))
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        d2l.predict(net, X)
        d2l.save(net, folder / "trained.safetensors")
    after = [type(module).__name__ for module in net.modules()]
    facts["the user's own"] = after == kinds


if __name__ == "__main__":
    facts, path = Facts(d2l, build, (X, y)), Path(sys.argv[1])
    if not dist.is_torchelastic_launched():
        one(facts)
        np.savez(path, **facts)
    else:
        two(facts)
        alone(facts, path.parent)
        np.savez(path.with_name(f"{dist.get_rank()} {path.name}"), **facts)
        dist.destroy_process_group()
