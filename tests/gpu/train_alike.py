"""`python -m d2l_lite` with the same bits in each run on one GPU.

PyTorch has a switch in the program for kernels that add up in one order. TensorFlow and
JAX have theirs in the environment: see ALIKE in test_gpu.py.
"""

import runpy
import sys

if "pytorch" in sys.argv:
    import torch

    torch.use_deterministic_algorithms(True)

runpy.run_module("d2l_lite", run_name="__main__", alter_sys=True)
