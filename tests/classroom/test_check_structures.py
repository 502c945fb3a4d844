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
