"""A folder of few real images of Fashion-MNIST, in the format of the whole."""

from d2l_lite.data.fashion_mnist import SAMPLE
from d2l_lite.data.idx import read_idx, write_idx


def few_images(folder, train=80, test=40):
    """Write the sample's first images and labels; returns the folder."""
    folder.mkdir()
    for part, count in (("train", train), ("t10k", test)):
        for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"):
            write_idx(folder / name, read_idx(SAMPLE / f"{name}.gz")[:count])
    return folder
