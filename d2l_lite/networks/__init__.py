"""Networks by name, their weights, and other people's."""
