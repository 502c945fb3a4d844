"""What tests read of a run's folder."""

from d2l_lite.networks import weights


def finished(folder):
    """All that must be equal, bit for bit: seconds and memory are the machine's."""
    arrays, metadata = weights.read(folder / "state.safetensors")
    # The checksum is of them, too.
    del (
        metadata["history"]["seconds"],
        metadata["peak_memory_mib"],
        metadata["checksum"],
    )
    names = ("best.safetensors", "last.safetensors")
    files = {name: (folder / name).read_bytes() for name in names}
    rows = [
        line.rpartition(",")[0]
        for line in (folder / "history.csv").read_text().splitlines()
    ]
    return {n: a.tobytes() for n, a in arrays.items()}, metadata, files, rows


def stamp(folder):
    """When the state was written, None before there is one."""
    path = folder / "state.safetensors"
    return path.stat().st_mtime_ns if path.exists() else None
