"""Training on several devices: each framework's own engine, a module each."""
