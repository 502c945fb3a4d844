"""Downloads that are resumed, verified and never half-finished."""

import contextlib
import gzip
import hashlib
import os
import sys
import time
import uuid
import zlib
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

from d2l_lite import DataError

CHUNK = 1 << 18
TIMEOUT_SECONDS = 20
# Longer than the time-out: a part file that old has no living writer.
STALE_SECONDS = 60


class _MirrorError(Exception):
    """Why a mirror did not give the file."""


def cache_folder() -> Path:
    """``D2L_LITE_CACHE``, or ``d2l_lite`` in the platform's folder for caches.

    Raises `DataError` if that lies in a home folder that does not exist.
    """
    if sys.platform == "darwin":
        caches = "~/Library/Caches"
    elif sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(os.environ.get("D2L_LITE_CACHE") or f"{caches}/d2l_lite")
    try:
        return folder.expanduser()
    except RuntimeError as error:
        raise DataError(
            f"{folder}: there is no such home folder; name a folder that can be "
            "written in D2L_LITE_CACHE"
        ) from error


def named_place(root: str | Path | None) -> Path | None:
    """What the user named: `root`, else ``D2L_LITE_DATA``, else None."""
    if root is None:
        root = os.environ.get("D2L_LITE_DATA") or None
    if root is None:
        return None
    # A home folder that does not exist is a file not found, for whoever looks there.
    with contextlib.suppress(RuntimeError):
        return Path(root).expanduser()
    return Path(root)


def verified(path: Path, sha256: str) -> bool:
    """Whether `path` is a readable file whose content, decompressed, has this hash.

    A ``.tar.gz`` is taken as it is, for its publisher states the hash of the archive.
    Of `sha256` the first digits are enough, as they stand in names of published files.
    """
    digest = hashlib.sha256()
    packed = ".gz" in path.suffixes and ".tar" not in path.suffixes
    opener = gzip.open if packed else open
    try:
        with opener(path, "rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return False
    return digest.hexdigest().startswith(sha256)


def fetch(
    name: str, urls: Sequence[str], sha256: str, folder: Path, remedy: str = ""
) -> Path:
    """Return ``folder/name``, downloaded from the first of `urls` that delivers it.

    `sha256` is the hash of the content, decompressed if `name` ends in ``.gz`` but not
    in ``.tar.gz``, or the hash's first digits. A good copy is kept, a damaged one
    replaced, a broken download resumed. Several processes may do this at once. Raises
    `DataError` with the reason of every mirror and `remedy`, or when the folder cannot
    be written.
    """
    target = folder / name
    if verified(target, sha256):
        return target
    part = folder / f"{name}.{uuid.uuid4().hex}.part"
    reasons = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _adopt(folder.glob(f"{name}.*.part"), part)
        for url in urls:
            # Asks the disk before the network, and tells that the part's writer lives.
            part.touch()
            reason = _download(url, part, sha256)
            if not reason:
                part.replace(target)
                return target
            reasons.append(f"{url}: {reason}")
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise DataError(
            f"{target}: cannot be written ({error.strerror}); remove what is in the "
            "way, free some space, or name a folder that can be written in "
            "D2L_LITE_CACHE"
        ) from error
    finally:
        # Given up, so the next download may go on from here at once.
        with contextlib.suppress(OSError):
            os.utime(part, (0, 0))
            if not part.stat().st_size:
                part.unlink()
    tried = "".join(f"\n  {reason}" for reason in reasons)
    raise DataError(f"{name}: no mirror delivered it{tried}\n{remedy}".rstrip())


def _adopt(parts: Iterator[Path], part: Path) -> None:
    """Go on with what a dead process left: a rename succeeds for one process only."""
    for other in parts:
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > STALE_SECONDS:
                other.replace(part)


def _download(url: str, part: Path, sha256: str) -> str:
    """Complete `part` from `url`; return an empty string, or why it did not work."""
    try:
        resumed = _transfer(url, part)
        if verified(part, sha256):
            return ""
        part.unlink(missing_ok=True)
        # The beginning may have come from a mirror that compresses differently.
        if resumed:
            return _download(url, part, sha256)
    except _MirrorError as error:
        return str(error)
    return "wrong content (its checksum differs)"


def _transfer(url: str, part: Path) -> bool:
    """Append to `part` what is missing; return whether it had a beginning."""
    start = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with _network():
            response = urlopen(request, timeout=TIMEOUT_SECONDS)
    except _MirrorError as error:
        # 416: nothing lies beyond these bytes, the part is whole or wrong.
        if start and getattr(error.__cause__, "code", None) == 416:
            return True
        raise
    with response:
        resumed = start > 0 and response.status == 206
        done = start if resumed else 0
        length = response.headers.get("Content-Length")
        # Without a length in digits only the checksum tells whether it is whole.
        total = done + int(length) if length and length.isdecimal() else None
        bar = tqdm(
            desc=part.name.split(".")[0],
            initial=done,
            total=total,
            unit="B",
            unit_scale=True,
            disable=None,
        )
        with bar, part.open("ab" if resumed else "wb", buffering=0) as file:
            while True:
                # read1 gives what has come: all of it is kept if the rest never comes.
                with _network():
                    chunk = response.read1(CHUNK)
                if not chunk:
                    break
                done += _write(file, chunk)
                bar.update(len(chunk))
    if total is not None and done != total:
        raise _MirrorError(f"connection closed after {done} of {total} bytes")
    return resumed


def _write(file, chunk: bytes) -> int:
    """Write all of `chunk`: unbuffered, so that a full disk shows here, once."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]
    return len(chunk)


@contextlib.contextmanager
def _network() -> Iterator[None]:
    """Tell errors of the network from those of the disk: both are OSErrors."""
    try:
        yield
    except HTTPError as error:
        error.close()  # an answer, too, with a connection that nobody reads
        raise _MirrorError(f"HTTP {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise _MirrorError(str(reason) or type(error).__name__) from error
