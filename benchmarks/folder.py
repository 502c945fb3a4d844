"""Images per second of `ImageFolder`, cold and cached, beside torchvision's.

python -m benchmarks.folder FOLDER [SIZE]

The folder holds a folder for each class. Measured is the time until all pictures have
been given once in batches of 64: decoded, resized, cut to SIZE × SIZE (default 32) and
normalised. torchvision decodes in each epoch anew, in the worker processes of a
`DataLoader`, one for each processor.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from d2l_lite.data.image_folder import ImageFolder


def ours(folder: Path, size: int) -> int:
    """Go through all pictures once; returns their number."""
    data = ImageFolder(folder, size)
    parts = data.train, data.validation, data.test
    return sum(len(labels) for part in parts for _, labels in part.batches(64))


def torchvision(folder: Path, size: int) -> int:
    """As `ours`."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    prepare = [transforms.Resize(size), transforms.CenterCrop(size)]
    prepare += [transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.25] * 3)]
    data = datasets.ImageFolder(folder, transforms.Compose(prepare))
    loader = DataLoader(data, batch_size=64, num_workers=os.cpu_count())
    return sum(len(labels) for _, labels in loader)


if __name__ == "__main__":
    place, size = Path(sys.argv[1]).resolve(), int((sys.argv[2:] or ["32"])[0])
    with tempfile.TemporaryDirectory() as scratch:
        # The cache lies beside these links, not beside the pictures.
        folder = Path(scratch) / "pictures"
        folder.mkdir()
        for path in filter(Path.is_dir, place.iterdir()):
            (folder / path.name).symlink_to(path)
        runs = {"cold": ours, "cached": ours, "torchvision": torchvision}
        for name, run in runs.items():
            start = time.perf_counter()
            count = run(folder, size)
            speed = count / (time.perf_counter() - start)
            print(f"{name:12s} {speed:9,.0f} images/s")
