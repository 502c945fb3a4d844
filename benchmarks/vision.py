"""torchvision, also where its compiled operators do not fit PyTorch's build."""

import torch

try:
    import torchvision
except RuntimeError:
    # The wheel is built for CUDA; these two of its operators must exist at least.
    boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", boxes)
    import torchvision

__all__ = ["torchvision"]
