"""Images and labels as NumPy arrays, and batches of them."""
