"""The checker's view of Apache MXNet."""

# MXNet needs the names that this gives back to NumPy.
from d2l_lite import numpy_aliases  # noqa: F401

# isort: split
import mxnet as mx
from mxnet import autograd
from mxnet.gluon import nn

from d2l_classroom.framework import Framework


class MXNet(Framework):
    module = nn.Block
    a_module = "a Gluon block"
    row = "nn.HybridSequential"
    shelf = "nn.HybridSequential"
    forward = ("hybrid_forward", "forward", "__call__")
    tapped = (nn.Block,)
    joins = ((mx.np, "concatenate"), (mx.nd.np, "concatenate"))

    def axis(self, norm):
        return norm._kwargs["axis"] % 4

    def settle(self, model):
        super().settle(model)
        # In a graph nobody could watch the layers.
        for part in self.parts(model):
            if isinstance(part, nn.HybridBlock):
                part.hybridize(False)

    def parts(self, model):
        found = {id(model): model}
        for child in model._children.values():
            found |= {id(part): part for part in self.parts(child)}
        return list(found.values())

    def is_tensor(self, value):
        return isinstance(value, mx.np.ndarray)

    def evaluate(self, model, X):
        return model(X)

    def train(self, model, X):
        with autograd.record():
            return model(X)

    def pull(self, model, X, dY, layers):
        X.attach_grad()
        with autograd.record():
            Y = model(X)
        Y.backward(dY)
        gradients = {"x": self.array(X.grad)}
        for name, parameter in self.trainable(layers).items():
            gradients[name] = None
            if parameter.grad_req != "null":
                gradients[name] = self.array(parameter.grad())
        return gradients
