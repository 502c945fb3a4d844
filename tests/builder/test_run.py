"""Notebooks are executed when they must be, and a fault leaves them as they were."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from errno import EACCES, ENOENT, ENOSPC, EROFS
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from small_book import CHAPTER, TemporaryBook

from book import serve
from book.__main__ import main
from book.build import run as runner
from book.build.files import write_if_changed
from book.build.inputs import ENVIRONMENT
from book.build.source import Book, BookError
from book.build.split import serialise

NOTEBOOK = "chapters/jax/first.ipynb"
# Each execution leaves a line in a file beside the notebook.
COUNTED = """\
# Counted

```{code-cell} ipython3
with open("executions.txt", "a") as file:
    file.write("x")
print("one")
print("two", flush=True)
```
"""


@pytest.fixture(autouse=True)
def every_framework_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "installed", lambda framework: True)


def executions(root: Path) -> int:
    path = root / "chapters/jax/executions.txt"
    return len(path.read_text()) if path.exists() else 0


def execute(book: Book, **options: object) -> bytes:
    runner.run(book, frameworks=["jax"], **options)
    return (book.root / "chapters/jax/first.ipynb").read_bytes()


def test_only_what_changed_is_executed_and_always_alike(
    temporary_book: TemporaryBook, capsys: pytest.CaptureFixture
) -> None:
    root = temporary_book.root
    temporary_book.write("d2l_lite/jax.py", '"""Data."""\nSIZE = 1\n')
    first = execute(temporary_book.chapters(first=COUNTED))
    assert executions(root) == 1
    (stream,) = nbformat.reads(first.decode(), as_version=4).cells[-1].outputs
    assert stream.text == "one\ntwo\n"

    execute(Book(root))
    execute(temporary_book.edit("chapters/first.md", "# Counted", "# Numbered"))
    execute(temporary_book.edit("d2l_lite/jax.py", '"""Data."""', "# A comment."))
    assert executions(root) == 1
    assert "0 notebooks executed, 1 unchanged." in capsys.readouterr().out

    temporary_book.edit("chapters/first.md", "# Numbered", "# Counted")
    assert execute(Book(root), force=True) == first
    assert executions(root) == 2

    execute(temporary_book.edit("d2l_lite/jax.py", "SIZE = 1", "SIZE = 2"))
    assert executions(root) == 3


def test_a_kernel_has_the_settings_of_the_book(
    temporary_book: TemporaryBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("D2L_LITE_SCALE", "full")
    code = (
        "import os, sys\n"
        f"print([os.environ[name] for name in {sorted(ENVIRONMENT)}])\n"
        'print(os.environ["MPLBACKEND"])\n'
        "print(os.path.basename(os.getcwd()))\n"
        f"print({str(temporary_book.root)!r} in sys.path)"
    )
    book = temporary_book.chapters(first=f"```{{code-cell}}\n{code}\n```\n")
    execute(book)
    notebook = nbformat.read(book.root / "chapters/jax/first.ipynb", as_version=4)
    values, backend, folder, on_path = (
        notebook.cells[-1].outputs[0].text.strip().splitlines()
    )
    assert values == str([ENVIRONMENT[name] for name in sorted(ENVIRONMENT)])
    assert "inline" in backend
    assert (folder, on_path) == ("jax", "True")


def test_a_fault_keeps_the_old_notebook_and_the_others_results(
    temporary_book: TemporaryBook,
    pretend_execution: Callable,
    capsys: pytest.CaptureFixture,
) -> None:
    text = "# Bad\n\n```{code-cell}\n:tags: [jax]\n\nfirst = 1\n1 / 0\n```\n"
    temporary_book.chapters(first=COUNTED, second=text)
    arguments = ["--framework", "jax"]
    main(["split", *arguments], temporary_book.root)
    old = temporary_book.root / "chapters/jax/second.ipynb"
    pretend_execution(old)
    before = old.read_bytes()

    assert main(["run", *arguments, "--jobs", "1"], temporary_book.root) == 1
    message = capsys.readouterr().err
    # Banner, installation and title come before the cell.
    assert "chapters/second.md:7: cell 4 of second in JAX fails" in message
    assert "first = 1\n1 / 0\n" in message
    assert "ZeroDivisionError: division by zero" in message
    assert "\x1b" not in message
    assert old.read_bytes() == before
    assert executions(temporary_book.root) == 1
    assert main(["run", *arguments, "--chapter", "first"], temporary_book.root) == 0
    assert executions(temporary_book.root) == 1


def test_the_notebooks_of_installed_frameworks_are_listed(
    temporary_book: TemporaryBook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr("d2l_lite.installed", lambda framework: framework != "mxnet")
    temporary_book.chapters(first=CHAPTER)
    assert main(["notebooks"], temporary_book.root) == 0
    assert capsys.readouterr().out.split() == [
        "chapters/pytorch/first.ipynb",
        "chapters/tensorflow/first.ipynb",
        "chapters/jax/first.ipynb",
    ]


def test_output_on_stderr_is_a_fault(temporary_book: TemporaryBook) -> None:
    code = 'import sys\nprint("careful", file=sys.stderr)'
    book = temporary_book.chapters(first=f"```{{code-cell}}\n{code}\n```\n")
    message = r"first.md:5: cell 3 of first in JAX writes to stderr.*\ncareful"
    with pytest.raises(BookError, match=message):
        execute(book)
    notebook = nbformat.read(book.root / "chapters/jax/first.ipynb", as_version=4)
    assert notebook.cells[-1].execution_count is None


def test_a_missing_framework_is_skipped_with_a_line(
    temporary_book: TemporaryBook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr(runner, "installed", lambda framework: False)
    book = temporary_book.chapters(first=CHAPTER)
    before = execute(book)
    output = capsys.readouterr().out
    assert "JAX is not installed: its notebooks stay as is.\n" in output
    assert serialise(nbformat.reads(before.decode(), as_version=4)).encode() == before


# Files that notebooks share

# Each framework stores its number, unless it is there, and adds up the others'.
SHARING = """\
# Sharing

```{code-cell} ipython3
from pathlib import Path

folder = Path("../files/first")
own = folder / Path.cwd().name
if not own.exists():
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{own.name}.part"
    part.write_text(str(len(own.name)))
    part.replace(own)
print(sum(int(path.read_text()) for path in folder.glob("[!.]*")))
```
"""


def test_what_one_notebook_stores_the_others_read(
    temporary_book: TemporaryBook, capsys: pytest.CaptureFixture
) -> None:
    root = temporary_book.root
    temporary_book.chapters(first=SHARING)
    arguments = ["run", "--framework", "jax", "--framework", "mxnet"]
    assert main(arguments, root) == 0
    assert capsys.readouterr().out == (
        "chapters/files/first/jax, chapters/files/first/mxnet changed: "
        "what depends on it runs again.\n"
        "2 notebooks executed, 0 unchanged.\n"
    )
    for name in ("jax", "mxnet"):
        notebook = nbformat.read(root / f"chapters/{name}/first.ipynb", as_version=4)
        assert notebook.cells[-1].outputs[0].text == f"{len('jax') + len('mxnet')}\n"
        assert (
            f"/chapters/{name}" in notebook.cells[1].source
        )  # now that there are files
    assert main(arguments, root) == 0
    assert capsys.readouterr().out == "0 notebooks executed, 2 unchanged.\n"


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Stands in for the kernels: does an action and lists the executions."""

    def pretend(action: Callable[[runner.Task, int], None]) -> list[str]:
        executions: list[str] = []

        def run_kernel(book: Book, task: runner.Task) -> None:
            executions.append(str(task))
            action(task, len(executions))

        monkeypatch.setattr(runner, "_run_kernel", run_kernel)
        return executions

    return pretend


def store(task: runner.Task, name: str, text: str) -> None:
    path = task.path.parents[1] / "files" / task.chapter.name / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_files_that_never_come_to_rest_are_a_fault(
    temporary_book: TemporaryBook, pretended: Callable
) -> None:
    def action(task: runner.Task, count: int) -> None:
        store(task, "constant.csv", "1")
        store(task, "random.csv", str(count))

    executions = pretended(action)
    message = r"^chapters/files/first/random.csv: still changing after 3 executions, "
    with pytest.raises(BookError, match=message):
        execute(temporary_book.chapters(first=COUNTED))
    assert len(executions) == 3


def test_a_file_that_another_writes_meanwhile_is_read_again(
    temporary_book: TemporaryBook, pretended: Callable
) -> None:
    """Inputs are those of the files before the execution, whoever runs first."""

    def action(task: runner.Task, count: int) -> None:
        if task.framework == "pytorch":
            store(task, "pytorch.csv", "1")

    executions = pretended(action)
    book = temporary_book.chapters(first=COUNTED)
    runner.run(book, frameworks=["pytorch", "jax"], jobs=1)
    assert executions == ["first (PyTorch)", "first (JAX)"] * 2


def test_force_is_for_the_first_execution_only(
    temporary_book: TemporaryBook, pretended: Callable
) -> None:
    executions = pretended(lambda task, count: None)
    temporary_book.chapters(first=COUNTED, second=COUNTED)
    execute(Book(temporary_book.root))
    assert len(executions) == 2

    def action(task: runner.Task, count: int) -> None:
        if task.chapter.name == "second":
            store(task, "jax.csv", "1")

    executions = pretended(action)
    execute(Book(temporary_book.root), force=True)
    assert executions == ["first (JAX)", "second (JAX)", "second (JAX)"]


def test_only_what_is_selected_runs_again(
    temporary_book: TemporaryBook, pretended: Callable
) -> None:
    executions = pretended(lambda task, count: store(task, task.framework, "1"))
    book = temporary_book.chapters(first=COUNTED)
    runner.run(book, frameworks=["mxnet", "jax"])
    executions.clear()
    temporary_book.write("chapters/files/first/jax", "2")
    execute(Book(temporary_book.root))
    assert executions == ["first (JAX)", "first (JAX)"]


@pytest.mark.parametrize(
    ("arguments", "valid"),
    [(["--chapter", "x"], "first"), (["--framework", "caffe"], "tensorflow")],
)
def test_unknown_names_are_answered_with_the_valid_ones(
    temporary_book: TemporaryBook,
    capsys: pytest.CaptureFixture,
    arguments: list[str],
    valid: str,
) -> None:
    temporary_book.chapters(first=CHAPTER)
    with pytest.raises(SystemExit) as exit:
        main(["run", *arguments], temporary_book.root)
    assert exit.value.code == 2
    assert valid in capsys.readouterr().err


def test_the_builder_imports_no_framework() -> None:
    code = (
        "import sys, book.__main__\n"
        "from book.build import check, merge, run, split\n"
        "frameworks = {'torch', 'tensorflow', 'keras', 'jax', 'flax', 'mxnet'}\n"
        "print(sorted(frameworks & set(sys.modules)))"
    )
    root = Path(runner.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root
    )
    assert result.stdout == "[]\n"


def test_ctrl_c_ends_the_kernel_and_says_one_line(
    temporary_book: TemporaryBook, capsys: pytest.CaptureFixture
) -> None:
    code = (
        "import os, signal, time\nprint(os.getpid(), file=open('pid', 'w'))\n"
        "os.kill(os.getppid(), signal.SIGINT)\ntime.sleep(600)\n"
    )
    temporary_book.chapters(first=f"# First\n\n```{{code-cell}}\n{code}```\n")
    main(["split"], temporary_book.root)
    path = temporary_book.root / NOTEBOOK
    before = path.read_bytes()
    capsys.readouterr()
    assert main(["run", "--framework", "jax"], temporary_book.root) == 130
    assert capsys.readouterr().err.endswith("\nStopped; what is finished stays.\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.with_name("pid").read_text()), 0)
    assert path.read_bytes() == before


def test_a_second_build_waits_for_the_first(
    temporary_book: TemporaryBook, capsys: pytest.CaptureFixture
) -> None:
    temporary_book.chapters(first=COUNTED)
    (temporary_book.root / "_build").mkdir()
    path = temporary_book.root / NOTEBOOK
    with ThreadPoolExecutor(1) as pool:
        with FileLock(temporary_book.root / "_build/.lock"):
            second = pool.submit(main, ["split"], temporary_book.root)
            while not (said := capsys.readouterr().err):
                time.sleep(0.01)
            assert not path.exists()
        assert second.result() == 0
    assert said == (
        "Another command builds this book; this one waits until it has ended.\n"
    )
    assert path.exists()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (EROFS, "Read-only file system; take a copy in which you may write"),
        (EACCES, "Permission denied; take a copy in which you may write"),
        (ENOSPC, "No space left on device; free some space and call it again"),
        (ENOENT, None),  # no fault of the machine
    ],
)
def test_what_the_machine_refuses_is_one_line(
    temporary_book: TemporaryBook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    number: int,
    message: str | None,
) -> None:
    def refuse(path: Path, *arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    temporary_book.chapters(first=CHAPTER)
    monkeypatch.setattr(Path, "mkdir", refuse)
    if message is None:
        with pytest.raises(FileNotFoundError):
            main(["run"], temporary_book.root)
        return
    assert main(["run"], temporary_book.root) == 1
    assert capsys.readouterr().err == f"{temporary_book.root}/_build: {message}\n"


def test_a_full_disk_while_sphinx_writes_is_one_line(
    temporary_book: TemporaryBook,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    said = "Exception occurred:\\nOSError: [Errno 28] No space left on device"
    monkeypatch.setattr("book.build.sphinx.BUILD", f"import sys; sys.exit('{said}')")
    temporary_book.chapters(first="# First\n")
    assert main(["site"], temporary_book.root) == 1
    assert capsys.readouterr().err == (
        "No space left on device; free some space and call it again\n"
    )


def test_serving_says_what_is_missing_or_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    missing = "There is no site yet: `make book` builds it."
    assert serve.main("0", tmp_path) == missing
    (tmp_path / "index.html").write_text("")
    with socket.create_server(("localhost", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert serve.main(port, tmp_path) == (
            f"Port {port}: Address already in use. "
            "Take another: `make serve PORT=8001`."
        )
    for port in ("99999", "http"):
        assert serve.main(port, tmp_path) == (
            f"Port {port}: no number from 1024 to 65535. "
            "Take another: `make serve PORT=8001`."
        )


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notebook.ipynb"
    assert write_if_changed(path, b"old")
    assert not write_if_changed(path, "old")

    def full(*arguments: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_if_changed(path, "new")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]
