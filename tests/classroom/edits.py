"""Edits of the chapters' code that make it wrong, for each framework."""

from students import JOIN

FRAMEWORKS = ("pytorch", "tensorflow", "jax", "mxnet")
Edits = tuple[tuple[str, str], ...]


def everywhere(*edits: tuple[str, str]) -> dict[str, Edits]:
    return dict.fromkeys(FRAMEWORKS, edits)


def each(*edits: tuple[str, str] | None) -> dict[str, Edits]:
    """One edit for each framework in the book's order."""
    return {name: (edit,) for name, edit in zip(FRAMEWORKS, edits) if edit}


def only(framework: str, *edits: tuple[str, str]) -> dict[str, Edits]:
    return {framework: edits}


RELU = ("nn.ReLU()", "layers.ReLU()", "nnx.relu", 'nn.Activation("relu")')
NORM = "batch_norm(in_channels)", "batch_norm(in_channels, rngs=rngs)"
NORMS = (NORM[0], NORM[0], NORM[1], NORM[0])
STATED = ("momentum=0.1", "momentum=0.9", "momentum=0.9", "momentum=0.9")


def activation(*others: str) -> dict[str, Edits]:
    """Another activation in the place of ReLU."""
    return each(
        *((f"{old},", f"{new}," if new else "") for old, new in zip(RELU, others))
    )


def keep(*momenta: str) -> dict[str, Edits]:
    return each(*((old, f"momentum={new}") for old, new in zip(STATED, momenta)))


EPSILON = each(
    ("eps=1e-5", "eps=1e-3"),
    ("epsilon=1e-5", "epsilon=1e-3"),
    ("epsilon=1e-5", "epsilon=1e-3"),
    ("epsilon=1e-5", "epsilon=1e-3"),
)
UNPADDED = each(
    ("            padding=1,\n", ""),
    ('padding="same"', 'padding="valid"'),
    ("padding=1", "padding=0"),
    ("            padding=1,\n", ""),
)
LARGE_KERNEL = each(
    ("kernel_size=3,\n            padding=1", "kernel_size=5, padding=2"),
    ("kernel_size=3", "kernel_size=5"),
    ("kernel_size=(3, 3),\n            padding=1", "kernel_size=(5, 5), padding=2"),
    ("kernel_size=3,\n            padding=1", "kernel_size=5, padding=2"),
)
STRIDE = each(
    ("padding=1,", "padding=1, stride=2,"),
    ('padding="same",', 'padding="same", strides=2,'),
    ("padding=1,", "padding=1, strides=2,"),
    ("padding=1,", "padding=1, strides=2,"),
)
RELU_FIRST = each(
    *(
        (f"{norm},\n        {relu},", f"{relu},\n        {norm},")
        for norm, relu in zip(NORMS, RELU)
    )
)
CONV_FIRST = each(
    (
        "",
        """
def conv_block(in_channels, growth_rate):
    return nn.Sequential(
        nn.Conv2d(in_channels, growth_rate, 3, padding=1),
        batch_norm(growth_rate), nn.ReLU(),
    )
""",
    ),
    (
        "",
        """
def conv_block(in_channels, growth_rate):
    return keras.Sequential([
        keras.Input((None, None, in_channels)),
        layers.Conv2D(growth_rate, 3, padding="same"),
        batch_norm(growth_rate), layers.ReLU(),
    ])
""",
    ),
    (
        "",
        """
def conv_block(in_channels, growth_rate, *, rngs):
    return nnx.Sequential(
        nnx.Conv(in_channels, growth_rate, (3, 3), padding=1, rngs=rngs),
        batch_norm(growth_rate, rngs=rngs), nnx.relu,
    )
""",
    ),
    (
        "",
        """
def conv_block(in_channels, growth_rate):
    block = nn.HybridSequential()
    block.add(
        nn.Conv2D(growth_rate, 3, padding=1, in_channels=in_channels),
        batch_norm(growth_rate), nn.Activation("relu"),
    )
    return block
""",
    ),
)
ALWAYS = {
    "pytorch": (
        (
            "",
            """
class Always(nn.BatchNorm2d):
    def forward(self, X):
        self.train()
        return super().forward(X)

def batch_norm(num_channels):
    return Always(num_channels)
""",
        ),
    ),
    "tensorflow": (("Y = layer(X)", "Y = layer(X, training=True)"),),
    "jax": (
        (
            "",
            """
class Always(nnx.BatchNorm):
    def __call__(self, X):
        return super().__call__(X, use_running_average=False)

def batch_norm(num_channels, *, rngs):
    return Always(num_channels, momentum=0.9, rngs=rngs)
""",
        ),
    ),
}


def joined(new: str) -> dict[str, Edits]:
    """Something else than the concatenation; JOIN stands for it."""
    return each(*((old, new.replace("JOIN", old)) for old in JOIN.values()))


def called(new: str) -> dict[str, Edits]:
    """Another line for `Y = layer(X)`."""
    return everywhere(("Y = layer(X)", new))


FIRST_ONLY = everywhere(
    ("for layer in self.layers:", "X0 = X\n        for layer in self.layers:"),
    ("Y = layer(X)", "Y = layer(X0)"),
    ("in_channels + i * growth_rate", "in_channels"),
)
CUT = {
    "pytorch": (("Y = layer(X)", "Y = layer(X.detach())"),),
    "tensorflow": (("Y = layer(X)", "Y = layer(ops.stop_gradient(X))"),),
    "jax": (
        ("", "\nimport jax\n"),
        ("Y = layer(X)", "Y = layer(jax.lax.stop_gradient(X))"),
    ),
    "mxnet": (("Y = layer(X)", "Y = layer(X.detach())"),),
}
DROPOUT = each(
    (
        "            padding=1,\n        ),",
        "            padding=1,\n        ),\nnn.Dropout(0.5),",
    ),
    (
        '            padding="same",\n        ),',
        '            padding="same",\n        ),\nlayers.Dropout(0.5),',
    ),
    (
        "            rngs=rngs,\n        ),\n    )",
        "            rngs=rngs,\n        ),\nnnx.Dropout(0.5, rngs=rngs))",
    ),
    (
        "            in_channels=in_channels,\n        ),",
        "            in_channels=in_channels,\n        ),\nnn.Dropout(0.5),",
    ),
)
AVERAGE = (
    "nn.AvgPool2d(kernel_size=2, stride=2)",
    "layers.AveragePooling2D(\n            pool_size=2, strides=2\n        )",
    "partial(\n            nnx.avg_pool,\n            window_shape=(2, 2),\n"
    "            strides=(2, 2),\n        )",
    "nn.AvgPool2D(pool_size=2, strides=2)",
)


def pooled(*others: str) -> dict[str, Edits]:
    return each(
        *(
            None if new is None else (f"{old},", f"{new}," if new else "")
            for old, new in zip(AVERAGE, others)
        )
    )


PADDED = each(
    ("kernel_size=1,", "kernel_size=1, padding=1,"),
    None,
    ("kernel_size=(1, 1),", "kernel_size=(1, 1), padding=1,"),
    ("kernel_size=1,", "kernel_size=1, padding=1,"),
)
SAME_STEM = {
    "tensorflow": (
        ("            layers.ZeroPadding2D(3),\n", ""),
        (
            "                strides=2,\n            ),",
            '                strides=2, padding="same",\n            ),',
        ),
    ),
    "jax": (("padding=3", 'padding="SAME"'),),
}
