"""The checker's view of JAX and Flax."""

import re

import jax
import jax.numpy as jnp
from flax import nnx

from d2l_classroom.framework import Framework
from d2l_classroom.report import Message

STATIC = re.compile(
    r"value of type '?<class '(\w+)'>'? (?:in|assigned to) static attribute '(\w+)'"
)

# Small programs that run once: to compile them well would take longer than they run.
QUICK = {"xla_backend_optimization_level": 0}


class JAX(Framework):
    module = nnx.Module
    a_module = "an nnx.Module"
    row = "nnx.Sequential"
    shelf = "nnx.List"
    forward = ("__call__",)
    channels_last = True
    tapped = (nnx.Conv, nnx.BatchNorm, nnx.Linear)
    joins = ((jnp, "concatenate"), (jnp, "concat"))

    def explain(self, error, arguments):
        found = STATIC.search(str(error))
        if not found:
            return None
        kind, name = found.groups()
        if name.isdigit():
            return Message(f"give nnx.Sequential its parts themselves, no {kind}")
        shelf = "nnx.Dict" if kind == "dict" else "nnx.List"
        return Message(
            f"Flax finds no modules in a plain {kind}: keep `{name}` in an {shelf}"
        )

    def extras(self, parameters):
        wanted = parameters.get("rngs")
        if wanted is None or wanted.default is not wanted.empty:
            return {}
        return {"rngs": nnx.Rngs(0)}

    def parts(self, model):
        found = {}

        def walk(value):
            if isinstance(value, nnx.Module) and id(value) not in found:
                found[id(value)] = value
                walk(list(vars(value).values()))
            elif isinstance(value, (list, tuple)):
                for item in value:
                    walk(item)
            elif isinstance(value, dict):
                walk(list(value.values()))

        walk(model)
        return list(found.values())

    def is_tensor(self, value):
        return isinstance(value, jax.Array)

    def concrete(self, value):
        return isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)

    def evaluate(self, model, X):
        model.eval()
        return model(X)

    def train(self, model, X):
        model.train()
        return model(X)

    def pull(self, model, X, dY, layers):
        model.train()
        graphdef, parameters, rest = nnx.split(model, nnx.Param, ...)

        def forward(parameters, X):
            block = nnx.merge(graphdef, parameters, rest, copy=True)
            Y = block(X)
            return Y, nnx.split(block, nnx.Param, ...)[2]

        def both(parameters, X, dY):
            _, pull, rest = jax.vjp(forward, parameters, X, has_aux=True)
            return rest, *pull(dY)

        compiled = jax.jit(both, compiler_options=QUICK)
        rest, gradients, dX = compiled(parameters, X, dY)
        nnx.update(model, rest)
        # The gradients have the parameters' structure: a block made of them has them
        # where the model has the parameters.
        carriers = dict(nnx.iter_graph(nnx.merge(graphdef, gradients, rest)))
        places = {id(part): path for path, part in nnx.iter_graph(model)}
        carried = {name: carriers[places[id(x)]] for name, x in layers.items()}
        found = self.trainable(carried).items()
        return {"x": self.array(dX)} | {name: self.canonical(a) for name, a in found}

    def kept(self, model, images):
        """In what vjp's backward function holds."""
        model.train()
        graphdef, parameters, rest = nnx.split(model, nnx.Param, ...)

        def forward(parameters, X):
            return nnx.merge(graphdef, parameters, rest, copy=True)(X)

        X = self.tensor(images)
        _, pull = jax.vjp(forward, parameters, X)
        sizes = {
            array.unsafe_buffer_pointer(): array.nbytes
            for array in jax.tree.leaves(pull)
            if array.shape[:3] == X.shape[:3]
        }
        return sum(sizes.values()) // images[:, 0].nbytes
