"""Right answers of any structure pass: names of classes and attributes are free."""

from students import answer, execute, judged, program

POOLED_FIRST = {
    "pytorch": """
def transition_block(in_channels, out_channels):
    return nn.Sequential(
        batch_norm(in_channels), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(in_channels, out_channels, 1),
    )
""",
    "tensorflow": """
def transition_block(in_channels, out_channels):
    return keras.Sequential([
        keras.Input((None, None, in_channels)),
        batch_norm(in_channels), layers.ReLU(), layers.AveragePooling2D(2),
        layers.Conv2D(out_channels, 1),
    ])
""",
    "jax": """
def transition_block(in_channels, out_channels, *, rngs):
    return nnx.Sequential(
        batch_norm(in_channels, rngs=rngs), nnx.relu,
        partial(nnx.avg_pool, window_shape=(2, 2), strides=(2, 2)),
        nnx.Conv(in_channels, out_channels, (1, 1), rngs=rngs),
    )
""",
    "mxnet": """
def transition_block(in_channels, out_channels):
    block = nn.HybridSequential()
    block.add(
        batch_norm(in_channels), nn.Activation("relu"), nn.AvgPool2D(2),
        nn.Conv2D(out_channels, 1),
    )
    return block
""",
}
# Layers that learn their sizes from the first input, in attributes of other names, made
# in another order than they are called.
OTHER_BLOCK = {
    "pytorch": """
class Unit(nn.Module):
    def __init__(self, channels, growth_rate):
        super().__init__()
        self.last = nn.Conv2d(channels, growth_rate, 3, padding=1)
        self.first = batch_norm(channels)

    def forward(self, X):
        return self.last(self.first(X).relu())

class Mine(nn.Module):
    def __init__(self, num_layers, in_channels, growth_rate):
        super().__init__()
        for i in reversed(range(num_layers)):
            unit = Unit(in_channels + i * growth_rate, growth_rate)
            self.add_module(f"unit{i}", unit)
        self.num_layers = num_layers

    def forward(self, X):
        features = [X]
        for i in range(self.num_layers):
            unit = getattr(self, f"unit{i}")
            features.append(unit(torch.cat(features, 1)))
        return torch.cat(features, 1)
""",
    "tensorflow": """
class Mine(keras.Model):
    def __init__(self, num_layers, in_channels, growth_rate):
        super().__init__()
        self.convs, self.norms = [], []
        for _ in range(num_layers):
            self.convs.append(layers.Conv2D(growth_rate, 3, padding="same"))
            self.norms.append(batch_norm(None))

    def call(self, X):
        for norm, conv in zip(self.norms, self.convs):
            Y = conv(ops.relu(norm(X)))
            X = ops.concatenate([X, Y], axis=-1)
        return X
""",
    "jax": """
class Mine(nnx.Module):
    def __init__(self, num_layers, in_channels, growth_rate, *, rngs):
        self.convs, self.norms = nnx.List(), nnx.List()
        for i in range(num_layers):
            channels = in_channels + i * growth_rate
            self.convs.append(
                nnx.Conv(channels, growth_rate, (3, 3), rngs=rngs)
            )
            self.norms.append(batch_norm(channels, rngs=rngs))

    def __call__(self, X):
        for norm, conv in zip(self.norms, self.convs):
            X = jnp.concatenate([X, conv(nnx.relu(norm(X)))], axis=-1)
        return X
""",
    "mxnet": """
class Mine(nn.Block):
    def __init__(self, num_layers, in_channels, growth_rate):
        super().__init__()
        self.convs, self.norms = nn.Sequential(), nn.Sequential()
        for _ in range(num_layers):
            self.convs.add(nn.Conv2D(growth_rate, 3, padding=1))
            self.norms.add(nn.BatchNorm())

    def forward(self, X):
        for norm, conv in zip(self.norms, self.convs):
            Y = conv(mx.npx.relu(norm(X)))
            X = mx.np.concatenate([X, Y], axis=1)
        return X

import mxnet as mx
""",
}


def test_a_block_of_another_structure_passes(name):
    text = program(name, "dense_block") + OTHER_BLOCK[name]
    report = judged(name, "dense_block", execute(name, text)["Mine"])
    assert report.messages == ()


def test_pooling_first_passes_with_a_remark(name, capsys):
    text = program(name, "transition_block") + POOLED_FIRST[name]
    made = execute(name, text)["transition_block"]
    assert judged(name, "transition_block", made, quiet=False).passed
    assert "· you pool before the convolution" in capsys.readouterr().out


def test_a_class_of_any_name_and_a_function_that_makes_it(name):
    book = answer(name, "dense_block")
    assert judged(name, "dense_block", type("Anything", (book,), {})).passed

    def with_rngs(n, c, k, *, rngs):
        return book(n, c, k, rngs=rngs)

    made = with_rngs if name == "jax" else lambda n, c, k: book(n, c, k)
    assert judged(name, "dense_block", made).passed
