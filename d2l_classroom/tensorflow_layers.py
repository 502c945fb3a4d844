"""The checker's view of TensorFlow and Keras."""

import re
from contextlib import contextmanager

import keras
import tensorflow as tf

from d2l_classroom import structure
from d2l_classroom.explanations import NOT_COUNTED, THROUGH
from d2l_classroom.framework import Framework
from d2l_classroom.report import Message

CHANNELS = re.compile(
    r"expected axis -1 of input shape to have value (\d+), but received input with "
    r"shape \(.*?(\d+)\)"
)


class TensorFlow(Framework):
    module = keras.layers.Layer
    a_module = "a Keras layer or model"
    row = "keras.Sequential"
    shelf = "a list in an attribute"
    forward = ("call", "__call__")
    channels_last = True
    tapped = (keras.layers.Layer,)
    joins = ((keras.ops, "concatenate"), (keras.src.ops, "concatenate"), (tf, "concat"))
    join_axis = -1

    @contextmanager
    def guarded(self):
        # Keras would wrap an error in a page of its own words.
        filtering = keras.config.is_traceback_filtering_enabled()
        keras.config.disable_traceback_filtering()
        floats = keras.config.floatx()
        try:
            yield
        finally:
            keras.config.set_floatx(floats)
            if filtering:
                keras.config.enable_traceback_filtering()

    def explain(self, error, arguments):
        # Keras tries the layers one after the other as soon as they are in a row.
        found = CHANNELS.search(str(error))
        if "fully-defined (no `None` dimensions)" in str(error):
            return Message(f"{self.lie}; does a layer have another axis?")
        if not found:
            return None
        made, read = map(int, found.groups())
        hint = f"a layer is made for {made} channels, but reads {read}"
        if structure.swapped(made, read, arguments):
            return Message(f"{hint}: {structure.ORDER_OF_ARGUMENTS}")
        return Message(hint, f"{NOT_COUNTED}: {hint}. {THROUGH}")

    def parts(self, model):
        found, waiting = {}, [model]
        while waiting:
            part = waiting.pop()
            if id(part) not in found:
                found[id(part)] = part
                waiting += reversed(part._layers)
        return list(found.values())

    def is_tensor(self, value):
        return tf.is_tensor(value)

    def concrete(self, value):
        return tf.is_tensor(value) and not tf.is_symbolic_tensor(value)

    def evaluate(self, model, X):
        return model(X, training=False)

    def train(self, model, X):
        return model(X, training=True)

    def pull(self, model, X, dY, layers):
        arrays = self.trainable(layers)
        with tf.GradientTape() as tape:
            tape.watch(X)
            Y = model(X, training=True)
        values = [array.value for array in arrays.values()]
        dX, *found = tape.gradient(Y, [X, *values], dY)
        gradients = {"x": None if dX is None else self.array(dX)}
        for name, gradient in zip(arrays, found):
            gradients[name] = None if gradient is None else self.canonical(gradient)
        return gradients

    def kept(self, model, images):
        """In the graph: computed before dY is there, and used by what depends on it."""

        @tf.function
        def pull(X, dY):
            with tf.GradientTape() as tape:
                tape.watch(X)
                Y = model(X, training=True)
            return tape.gradient(Y, X, dY)

        X = self.tensor(images)
        graph = pull.get_concrete_function(X, model(X)).graph
        late, kept = set(), {}
        for op in graph.get_operations():
            used = [_source(t) for t in op.inputs]
            before = {t.op.name for t in used} | {o.name for o in op.control_inputs}
            if op.name == "dY" or before & late:
                late.add(op.name)
                for t in used:
                    maps = t.shape.rank == 4 and t.shape[:3] == X.shape[:3]
                    if maps and t.op.name not in late:
                        kept[t.name] = t.shape[3]
        return sum(kept.values())


def _source(X):
    """Identities are no copies."""
    while X.op.type == "Identity":
        X = X.op.inputs[0]
    return X
