"""Learning rates over a training, as factors of the highest one.

Explained in chapters/training.md.
"""


def constant(step: int, total_steps: int) -> float:
    """Keep the learning rate: factor 1 at every step."""
    return 1.0


def one_cycle(step: int, total_steps: int) -> float:
    """Rise linearly over the first 30 % of the steps, then fall linearly to almost 0.

    The triangle of Smith and Topin, "Super-Convergence" (2017, arXiv:1708.07120), with
    an early peak; the first and the last step still move, so that none is wasted.
    Steps count from 0.
    """
    peak = int(0.3 * total_steps)
    return min((step + 1) / (peak + 1), (total_steps - step) / (total_steps - peak))


def step_down(step: int, total_steps: int) -> float:
    """Divide by 10 after 50 % and again after 75 % of the steps.

    The DenseNet paper's schedule for CIFAR and SVHN (Huang et al. 2017, section 4.2).
    """
    return 0.1 ** ((2 * step >= total_steps) + (4 * step >= 3 * total_steps))


SCHEDULES = {"constant": constant, "one-cycle": one_cycle, "step": step_down}
