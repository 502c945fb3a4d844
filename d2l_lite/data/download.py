"""Files of the network, kept in the cache: verified, and whole or not there."""

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_dir

from d2l_lite import DataError
from d2l_lite.files import at_home


def cache_folder() -> Path:
    """``D2L_LITE_CACHE``, or ``d2l_lite`` in the platform's folder for caches."""
    return at_home(os.environ.get("D2L_LITE_CACHE") or user_cache_dir("d2l_lite"))


def verified(path: Path, sha256: str) -> bool:
    """Whether `path` is a file whose hash begins with `sha256`.

    Names of published files often have only the hash's first digits.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(sha256)


def fetch(
    name: str, urls: Sequence[str], sha256: str, folder: Path, remedy: str = ""
) -> Path:
    """Return ``folder/name``, downloaded from the first of `urls` that delivers it.

    `sha256` is the file's hash, or its first digits. A good copy is kept, a damaged one
    replaced. Of several processes one downloads, and the others wait for it. Raises
    `DataError` with the fault of every mirror and `remedy`, or when the folder cannot
    be written.
    """
    path = folder / name
    try:
        if verified(path, sha256):
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{name}.lock"):
            # Another process may have been faster.
            faults = [] if verified(path, sha256) else _download(urls, path, sha256)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be kept ({error.strerror}); remove what is in the way, "
            "free some space, or name a folder that can be written in D2L_LITE_CACHE"
        ) from error
    if faults:
        tried = "".join(f"\n  {fault}" for fault in faults)
        raise DataError(f"{name}: no mirror delivered it{tried}\n{remedy}".rstrip())
    return path


def _download(urls: Sequence[str], path: Path, sha256: str) -> list[str]:
    """Put the file in its place and return nothing, or the fault of each mirror."""
    # Here, for few runs download, and in a notebook pooch's progress bar may warn.
    import pooch
    from requests import RequestException

    download = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(),
        chunk_size=1 << 18,
        # Else a server may pack on the way what is packed, and requests unpack both.
        headers={"Accept-Encoding": "identity"},
    )
    faults, part = [], path.with_name(f"{path.name}.part")
    try:
        for url in urls:
            try:
                download(url, str(part), None)
            except (RequestException, ValueError) as error:
                faults.append(f"{url}: {error}")
                continue
            if verified(part, sha256):
                part.replace(path)
                return []
            faults.append(f"{url}: wrong content (its checksum differs)")
    finally:
        part.unlink(missing_ok=True)
    return faults
