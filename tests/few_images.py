"""Few images in the format of Fashion-MNIST."""

import gzip

import numpy as np

from d2l_lite.data.fashion_mnist import SAMPLE
from d2l_lite.data.idx import MAGIC, read_idx


def write_idx(path, array):
    """Write a uint8 array, compressed if the name ends in ``.gz``."""
    header = MAGIC + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def few_images(folder, train=80, test=40):
    """Write the sample's first images and labels; returns the folder."""
    folder.mkdir()
    for part, count in (("train", train), ("t10k", test)):
        for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"):
            write_idx(folder / name, read_idx(SAMPLE / f"{name}.gz")[:count])
    return folder
