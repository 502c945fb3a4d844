"""What people take for a file of weights, told by its content, and what to do then."""

import io
import shlex
import zipfile
from pathlib import Path

PYTORCH = "a PyTorch file"
ARRAYS = (
    "write its arrays, under their canonical names, with d2l_lite.networks.weights.save"
)
FRAMEWORK = (
    "load it in {0} into the book's network, and write that with the `save` of "
    "d2l_lite.{1}"
)
KERAS = FRAMEWORK.format("Keras", "tensorflow")
# How files begin; after 1.6 PyTorch's are zip.
BEGINNINGS = {
    b"\x80": PYTORCH,
    b"\x89HDF": f"HDF5, as Keras writes .h5: {KERAS}",
    b"\x93NUMPY": f"an array of NumPy: {ARRAYS}",
    b"\x12\x01\0\0": f"MXNet's parameters: {FRAMEWORK.format('MXNet', 'mxnet')}",
    b"\x1f\x8b": "packed by gzip: unpack it first",
    b"version https://git-lfs": "a pointer of Git LFS: get the file with git lfs pull",
    b"<": "a page of the web: download the file itself",
}
# How the name of some member of a zip file ends.
MEMBERS = {
    "constants.pkl": "a program of TorchScript: save the state_dict() alone",
    "data.pkl": PYTORCH,
    ".weights.h5": f"a Keras file: {KERAS}",
    ".npy": f"NumPy's .npz: {ARRAYS}",
}


def other_kind(content: bytes, path: str | Path) -> str:
    """What a file is that is no safetensors file, and its remedy; "" if unknown."""
    kind = next((k for b, k in BEGINNINGS.items() if content.startswith(b)), "")
    if content.startswith(b"PK"):
        try:
            names = zipfile.ZipFile(io.BytesIO(content)).namelist()
        except zipfile.BadZipFile:
            return "a zip file that is cut off: get the whole file"
        ends = (k for end, k in MEMBERS.items() if any(n.endswith(end) for n in names))
        kind = next(ends, "")
    if kind == PYTORCH:
        # Not the file itself, should it be called so.
        named = Path(path).suffix == ".safetensors"
        end = ".converted.safetensors" if named else ".safetensors"
        words = shlex.join(map(str, (path, Path(path).with_suffix(end))))
        kind += f": `python -m d2l_lite convert {words}` makes one of it"
    return kind
