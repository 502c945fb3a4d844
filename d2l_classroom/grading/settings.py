"""What a notebook's process gets to see: its command, environment and files."""

import os
import shutil
import sys
from functools import cache
from pathlib import Path

import d2l_lite
from d2l_classroom.grading import kernel
from d2l_lite.data import download

# Of the teacher's environment; anything else, passwords among it, stays here.
PASSED = {
    "CUDA_VISIBLE_DEVICES",
    "D2L_LITE_DATA",
    "D2L_LITE_SCALE",
    "JAX_PLATFORMS",
    "LANG",
    "LD_LIBRARY_PATH",
    "LC_ALL",
    "OMP_NUM_THREADS",
    "PATH",
    "TF_CPP_MIN_LOG_LEVEL",
    "TZ",
    "XLA_FLAGS",
}
PACKAGE = Path(d2l_lite.__file__).parent
# Programs, libraries and settings of systems; a path that is not there does not matter.
SYSTEM = ("/bin", "/etc", "/gnu", "/lib", "/lib32", "/lib64", "/nix", "/opt/intel")
SYSTEM += ("/opt/nvidia", "/opt/rocm", "/proc", "/sbin", "/sys", "/usr")
DEVICES = ("null", "zero", "full", "random", "urandom", "dri", "kfd")


def environment(room: Path) -> dict[str, str]:
    """The environment of a notebook's process, whose own folders are in `room`."""
    home = room / "home"
    return {name: value for name, value in os.environ.items() if name in PASSED} | {
        "D2L_LITE_CACHE": str(_cache()),
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "PIP_NO_INDEX": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTHONPATH": os.pathsep.join(map(str, _path())),
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(room / "tmp"),
        "XDG_CACHE_HOME": str(home / "cache"),
    }


def rules(room: Path) -> list[tuple[str, int]]:
    """What a notebook's process may do with which files, for `kernel.confine`."""
    package = PACKAGE.resolve()
    prefixes = [Path(place).resolve() for place in (sys.prefix, sys.base_prefix)]
    found = [(str(room), kernel.ALL & ~kernel.IOCTL), (str(package), kernel.READ)]
    for path in map(Path.resolve, _path()):
        # Beside the package there may be solutions: of that folder the names alone.
        whole = path != package.parent or any(map(path.is_relative_to, prefixes))
        found.append((str(path), kernel.READ if whole else kernel.READ_DIR))
    data = download.named_place(None)
    readable = [*SYSTEM, *prefixes, _cache(), *([data] if data else [])]
    found += [(str(path), kernel.READ) for path in readable]
    gpus = [path.name for path in Path("/dev").glob("nvidia*")]
    device = kernel.READ | kernel.WRITE_FILE | kernel.IOCTL
    return found + [(f"/dev/{name}", device) for name in (*DEVICES, *gpus)]


def furnish(room: Path) -> None:
    """Put the list of the system's fonts into the room: making it takes seconds."""
    target = room / "home" / "matplotlib"
    target.mkdir()
    for path in _fonts():
        shutil.copyfile(path, target / path.name)


def _path() -> list[Path]:
    """Where modules come from; the folder that the grader is called in does not count.

    The returned notebooks may be there, and more that is none of the students'.
    """
    found = [Path(place).absolute() for place in filter(None, sys.path)]
    return [path for path in found if path != Path.cwd() or path == PACKAGE.parent]


@cache
def _cache() -> Path:
    return download.cache_folder()


@cache
def _fonts() -> list[Path]:
    import matplotlib
    from matplotlib import font_manager  # makes the list where there is none

    assert font_manager.fontManager.ttflist
    return sorted(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))
