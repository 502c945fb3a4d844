"""Make the embedded sample anew: python -m d2l_lite.data.sample.make."""

import numpy as np

from d2l_lite.data.fashion_mnist import SAMPLE, read
from d2l_lite.data.idx import write_idx

COUNTS = {"train": 4_000, "t10k": 1_000}


def main() -> None:
    """Write the four files beside this one: 400 + 100 pictures of each class."""
    for (part, count), images in zip(COUNTS.items(), read("full"), strict=True):
        sample = images.split(count, seed=0)[1]
        pixels, labels = sample.images[:, 0], sample.labels.astype(np.uint8)
        write_idx(SAMPLE / f"{part}-images-idx3-ubyte.gz", pixels)
        write_idx(SAMPLE / f"{part}-labels-idx1-ubyte.gz", labels)


if __name__ == "__main__":
    main()
