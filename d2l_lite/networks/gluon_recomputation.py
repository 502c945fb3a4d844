"""A dense layer in MXNet that keeps the features it reads, and no copies of them.

Explained in chapters/memory.md.
"""

from collections.abc import Sequence
from itertools import accumulate, compress

# MXNet needs the names that this gives back to NumPy.
from d2l_lite import numpy_aliases  # noqa: F401

# isort: split
import mxnet as mx
from mxnet import autograd
from mxnet.gluon import HybridBlock


def read_twice(layer: HybridBlock, features: Sequence[mx.np.ndarray]) -> mx.np.ndarray:
    """What `layer` makes of the N×C×H×W features, laid side by side.

    Its first three parts, batch norm, ReLU and convolution, are computed again in the
    backward pass, of which there may be one for each call.

    Raises:
        ValueError: in a second backward pass.
    """
    read = _Read(*layer[:3])
    # Behind an array that asks for no gradient MXNet drops the others: so frozen
    # weights stay out, and the block's input comes last. Times 1, for it also drops
    # what is to be added to an older gradient.
    weights = [array * 1 for array in compress(read.weights, read.learn)]
    X = read(*weights, *features[::-1])
    return layer[3:](X)


# The backward pass runs in a thread of its own, and each thread has its own set_np().
@mx.util.use_np
class _Read(autograd.Function):
    """Concatenation, batch norm, ReLU and convolution; reads weights, then features."""

    def __init__(self, norm, relu, conv):
        super().__init__()
        self.norm, self.relu, self.conv = norm, relu, conv
        self.moving = norm.running_mean, norm.running_var
        arrays = norm.gamma, norm.beta, conv.weight, conv.bias
        parameters = [array for array in arrays if array is not None]
        self.weights = [array.data() for array in parameters]
        self.learn = [array.grad_req != "null" for array in parameters]

    def forward(self, *arrays):
        self.training = autograd.is_training()
        count = sum(self.learn)
        self.features = [array.detach() for array in arrays[count:][::-1]]
        # Copies, which nobody writes to. Else the next step would wait for this one,
        # and this for it.
        self.copies = [array.copy() for array in self.weights]
        self.statistics = [array.data().copy() for array in self.moving]
        X = mx.np.concatenate(self.features, axis=1)
        Y, mean, inverse = self._compute(X)
        if self.training:
            # MXNet gives 1 / sqrt(variance + epsilon).
            epsilon = self.norm._kwargs["eps"]
            self._move_statistics(mean, inverse**-2 - epsilon)
        return Y

    def backward(self, dY):
        if self.features is None:
            raise ValueError(
                "DenseBlock(memory_efficient=True): only one backward pass for each "
                "forward pass"
            )
        X = mx.np.concatenate(self.features, axis=1)
        inputs = [X, *self.copies]
        for array in inputs:
            array.attach_grad()
        with autograd.record(self.training):
            Y, *_ = self._compute(X)
        dX, *gradients = autograd.grad(
            Y, inputs, dY.as_np_ndarray(), train_mode=self.training
        )
        ends = accumulate(X.shape[1] for X in self.features)
        parts = [
            dX.slice_axis(1, end - X.shape[1], end)
            for X, end in zip(self.features, ends)
        ]
        # What is unfinished would read memory that is given to others when this
        # function returns.
        for array in (*gradients, *parts):
            array.wait_to_read()
        # MXNet forgets this object late; what is large must not wait for that.
        self.features = self.copies = None
        return [*compress(gradients, self.learn), *parts[::-1]]

    def _compute(self, X):
        scale, shift, *kernel = self.copies
        X, mean, inverse = mx.npx.batch_norm(
            X,
            scale,
            shift,
            *self.statistics,
            output_mean_var=True,
            **self.norm._kwargs,
        )
        Y = self.conv.hybrid_forward(mx.nd, self.relu(X), *kernel)
        return Y, mean, inverse

    def _move_statistics(self, *found):
        # The operator would do it in the backward pass, at a time of its own.
        keep = self.norm._kwargs["momentum"]
        for array, new in zip(self.moving, found):
            array.set_data(keep * array.data() + (1 - keep) * new)
