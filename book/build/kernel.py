"""Executes the cells of one notebook in a kernel."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)
from nbformat import NotebookNode

CELL_TIMEOUT = 600  # seconds
# The executions of all threads, and whether they are to end.
_RUNNING: set[tuple[asyncio.AbstractEventLoop, asyncio.Task, NotebookClient]] = set()
_STOPPED = Event()
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class CellFault(Exception):
    """A cell that fails: its index in the notebook, and its traceback as message."""

    def __init__(self, index: int, traceback: str) -> None:
        super().__init__(traceback)
        self.index = index


@contextmanager
def threads(jobs: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in which to execute notebooks, `jobs` at a time.

    After an error no other one begins; Ctrl-C ends those that run, and their kernels.
    """
    _STOPPED.clear()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield pool
        except BaseException as error:
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(error, KeyboardInterrupt):
                _STOPPED.set()
                for loop, task, client in list(_RUNNING):
                    client.shutdown_kernel = "immediate"
                    loop.call_soon_threadsafe(task.cancel)
            raise


def execute(
    notebook: NotebookNode,
    folder: Path,
    environment: Mapping[str, str],
    manager: AsyncKernelManager | None = None,
) -> None:
    """Makes the outputs of the notebook anew; its cells start in `folder`.

    Default of `manager`: a kernel of the Python that runs this. Raises CellFault at the
    first cell that fails, takes too long or kills the kernel.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # The client writes the kernel's own metadata into the notebook that it is given.
    metadata = notebook.metadata.copy()
    current = {"index": -1}

    def remember(cell: NotebookNode, cell_index: int) -> None:
        current["index"] = cell_index

    client = NotebookClient(
        notebook,
        km=manager,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=remember,
        # Each kernel would warn of unencrypted local sockets on the progress bar.
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        # Not `execute`, which would leave the event loop of this thread open.
        asyncio.run(_execute(client, environment))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        index = current["index"]
        raise CellFault(index, _traceback(notebook.cells[index], error)) from None
    finally:
        notebook.metadata = metadata


async def _execute(client: NotebookClient, environment: Mapping[str, str]) -> None:
    running = (asyncio.get_running_loop(), asyncio.current_task(), client)
    _RUNNING.add(running)
    try:
        if _STOPPED.is_set():
            raise asyncio.CancelledError
        await client.async_execute(env=dict(environment), cleanup_kc=True)
    finally:
        _RUNNING.discard(running)


def stderr(cell: NotebookNode) -> str:
    """What the outputs of the cell hold of stderr, without colours."""
    outputs = cell.get("outputs", ())
    return plain("".join(out.text for out in outputs if out.get("name") == "stderr"))


def plain(text: str) -> str:
    """Text that was written for a terminal, without colours."""
    return _COLOURS.sub("", text)


def _traceback(cell: NotebookNode, error: Exception) -> str:
    for output in cell.outputs:
        if output.output_type == "error":
            return plain("\n".join(output.traceback))
    return plain(str(error))
