"""Training on several devices: each framework's own engine, a module each."""

import ctypes
import importlib
import os
import signal
import sys

# The variable in which a launcher tells its processes which one it is.
LAUNCHER = "D2L_LITE_LAUNCHER"
ENGINES = {
    "pytorch": "torch_processes",
    "tensorflow": "keras_strategy",
    "jax": "jax_mesh",
    "mxnet": "gluon_replicas",
}


def provide(framework: str, count: int) -> None:
    """Start what `count` devices, and other hosts, need before a framework computes.

    To be called before `d2l_lite.<framework>` is imported: later it is too late for
    virtual devices of a processor, and for joining other hosts. See chapter
    `many_devices`.

    Raises:
        KeyError: no framework of the book.
        RuntimeError: the framework has computed something already.
    """
    importlib.import_module(f"d2l_lite.devices.{ENGINES[framework]}").provide(count)


def end_with_launcher() -> None:
    """On Linux, have this process killed when the one that launched it ends, if any."""
    # torchrun's processes have its name for the run.
    if LAUNCHER not in os.environ and "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    launcher = int(os.environ.get(LAUNCHER) or os.getppid())
    if sys.platform == "linux":
        pr_set_pdeathsig = 1  # of <sys/prctl.h>
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        # It may have ended before.
        if os.getppid() != launcher:
            os.kill(os.getpid(), signal.SIGKILL)
