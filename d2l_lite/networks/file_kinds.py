"""What people take for a file of weights, told by its content, and what to do then."""

import io
import shlex
import zipfile
from pathlib import Path

PYTORCH = "a PyTorch file"


def other_kind(content: bytes, path: str | Path) -> str:
    """What a file is that is no safetensors file, and its remedy; "" if unknown."""
    if content.startswith(b"PK"):
        # As PyTorch writes since 1.6.
        try:
            names = zipfile.ZipFile(io.BytesIO(content)).namelist()
        except zipfile.BadZipFile:
            return "a zip file that is cut off: get the whole file"
        if any(name.endswith("constants.pkl") for name in names):
            return "a program of TorchScript: save the state_dict() alone"
        if not any(name.endswith("data.pkl") for name in names):
            return ""
    elif not content.startswith(b"\x80"):
        return ""
    # Not the file itself, should it be called so.
    named = Path(path).suffix == ".safetensors"
    end = ".converted.safetensors" if named else ".safetensors"
    words = shlex.join(map(str, (path, Path(path).with_suffix(end))))
    return f"{PYTORCH}: `python -m d2l_lite convert {words}` makes one of it"
