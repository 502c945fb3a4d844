"""The checker's view of PyTorch."""

from contextlib import contextmanager

import torch
import torch._dynamo  # it lists torch's functions once: those, not the watched ones
from torch import nn

from d2l_classroom.framework import Framework


class PyTorch(Framework):
    module = nn.Module
    a_module = "an nn.Module"
    row = "nn.Sequential"
    shelf = "nn.ModuleList"
    forward = ("forward", "__call__")
    tapped = (nn.Module,)
    joins = tuple((torch, name) for name in ("cat", "concat", "concatenate"))

    @contextmanager
    def guarded(self):
        state, grad = torch.get_rng_state(), torch.is_grad_enabled()
        dtype = torch.get_default_dtype()
        try:
            yield
        finally:
            torch.set_rng_state(state)
            torch.set_grad_enabled(grad)
            torch.set_default_dtype(dtype)

    def parts(self, model):
        return list(model.modules())

    def is_tensor(self, value):
        return isinstance(value, torch.Tensor)

    def evaluate(self, model, X):
        with torch.no_grad():
            return model.eval()(X)

    def train(self, model, X):
        with torch.no_grad():
            return model.train()(X)

    def pull(self, model, X, dY, layers):
        arrays = {"x": X.requires_grad_(), **self.trainable(layers)}
        open_ = {name: array for name, array in arrays.items() if array.requires_grad}
        gradients = dict.fromkeys(arrays)
        with torch.enable_grad():
            Y = model.train()(X)
        if Y.requires_grad:
            found = torch.autograd.grad(Y, list(open_.values()), dY, allow_unused=True)
            gradients |= dict(zip(open_, found))
        return {
            name: None if gradient is None else self.canonical(gradient)
            for name, gradient in gradients.items()
        }

    def kept(self, model, images):
        sizes, alive = {}, []

        def pack(X):
            if X.dim() == 4 and X.shape[0] == len(images):
                # Alive: else its address is used again.
                alive.append(X)
                memory = X.untyped_storage()
                sizes[memory.data_ptr()] = memory.nbytes()
            return X

        X = self.tensor(images)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda X: X):
            # The graph must live until it is counted.
            _Y = model.train()(X)
        return sum(sizes.values()) // images[:, 0].nbytes
