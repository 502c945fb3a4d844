"""What `python -m d2l_lite` does."""
