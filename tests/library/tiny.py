"""A DenseNet-BC that is quick to write and read, and what its files say of it."""

NAME = "densenet-bc-40-12"
CHANGES = {"block_config": (2, 2, 2), "growth_rate": 4, "init_features": 8}
# As JSON gives them back.
METADATA = {
    "network": "DenseNet",
    "arguments": {
        "in_channels": 3,
        "num_classes": 10,
        "growth_rate": 4,
        "block_config": [2, 2, 2],
        "init_features": 8,
        "bottleneck": True,
        "compression": 0.5,
        "dropout": 0.0,
        "small_inputs": True,
        "bias": False,
    },
}
