"""What an output must not show: it differs at the next execution, or elsewhere."""

import json
import re
from collections.abc import Iterator

from nbformat import NotebookNode

from book.build.kernel import plain

# The tag of a cell whose dates and times come from a record, not from this execution.
RECORDED = "recorded"
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_UNIT = "(?:ns|µs|μs|us|ms|s|secs?|seconds?|minutes?|hours?)"
_TIMES = {
    "a date": (
        r"\b(?:19|20)\d\d-\d\d-\d\d(?!\d)",
        r"\b\d{1,2}[./]\d{1,2}[./](?:19|20)\d\d\b",
        rf"\b{_MONTH} \d{{1,2}}\b(?:, \d{{4}}| \d\d:)",
        rf"\b\d{{1,2}} {_MONTH} \d{{4}}\b",
    ),
    "a time": (
        r"\b\d?\d:\d\d:\d\d\b",
        r"\b\d\d:\d\d<\d",  # of a progress bar
        # 16:10 alone may be a ratio or a slice.
        r"\b(?:at|since|until|[Tt]ime:?) [012]?\d:[0-5]\d\b(?![\],:\d])",
        r"\b[012]?\d:[0-5]\d ?(?:[AaPp][Mm]|UTC|GMT)\b",
        # Not the 1980s.
        rf"\b(?!(?:1[6-9]|20)\d0s\b)\d+(?:\.\d+)?(?:e-?\d+)? ?{_UNIT}\b",
        r"\b(?:took|elapsed|duration|[Ww]all time|CPU times?)\W+\d",
        r"\b1[6-9]\d{8}\.\d+\b",  # seconds since 1970
    ),
}
_PLACES = {
    "a path": (
        # Not `/conv/kernel:0`, which is a variable of Keras.
        r"(?<![\w.:/~<)\]}-])/(?:[\w.-]+/[\w./-]++(?!:0\b)|(?:tmp|root)\b)",
        # Not `A:\alpha`, which is LaTeX.
        r"\b[C-Z]:[\\/]{1,2}[\w.-]+(?:[\\/]|\.\w)[^\s<'\"]*",
        r"\bfile://[^\s<'\"]+",
    ),
    "an address in memory": (r"\b0x[0-9a-fA-F]{6,}\b",),
}
_NO_WORDS = re.compile(
    r"base64,[\w+/=\s]+|<style.*?</style>|\bstyle=(?:\"[^\"]*\"|'[^']*')", re.DOTALL
)


def unrepeatable(cell: NotebookNode) -> Iterator[str]:
    """`a path, '/home/…'` and the like: what the cell's outputs show, and a remedy."""
    kinds = _PLACES | ({} if RECORDED in cell.metadata.get("tags", ()) else _TIMES)
    text = "\n".join(map(_text, cell.outputs))
    for kind, patterns in kinds.items():
        if found := re.search("|".join(patterns), text):
            mend = "leave it out"
            if kind in _TIMES:
                mend += f", or tag the cell `{RECORDED}` if a file records it"
            what = f"{kind}, {found[0]!r}, which differs the next time or elsewhere"
            yield f"{what}; {mend}"


def _text(output: NotebookNode) -> str:
    """The words of an output, without its pictures' code and its styles."""
    parts = [output.get("text", "")]
    for kind, value in output.get("data", {}).items():
        if not kind.startswith("image/") or kind == "image/svg+xml":
            parts.append(value if isinstance(value, str) else json.dumps(value))
    return _NO_WORDS.sub("", plain("\n".join(parts)))
