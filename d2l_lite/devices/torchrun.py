"""The command line once for each device, as torchrun starts and watches processes."""

import logging
import os
import sys
import uuid
from collections.abc import Sequence

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from d2l_lite.devices import LAUNCHER


def launch(arguments: Sequence[str], count: int) -> int:
    """Run `python -m d2l_lite` with these arguments in `count` processes.

    Returns the exit status of the process that failed first, 0 if none did; 128 + n if
    signal n ended it, or this process. If one fails, the others are stopped.

    See chapter `many_devices`.
    """
    # As many threads as the processor has cores for this process, together.
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // count)))
    # Killed, it could not stop them.
    os.environ[LAUNCHER] = str(os.getpid())
    # The processes say themselves what is wrong.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.5,
    )
    command = ["-u", "-m", "d2l_lite", *arguments]
    try:
        elastic_launch(config, sys.executable)(*command)
    except SignalException as signal:
        return 128 + signal.sigval
    except ChildFailedError as error:
        status = error.get_first_failure()[1].exitcode
        return status if status >= 0 else 128 - status
    finally:
        del os.environ[LAUNCHER]
    return 0
