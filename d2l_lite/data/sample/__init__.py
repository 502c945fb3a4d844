"""A stratified sample of the real Fashion-MNIST, for quick runs."""
