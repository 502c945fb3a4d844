"""Reads LaTeX's log: what a reader of the PDF would see, and where in the book."""

import re
from dataclasses import dataclass

# In points; less is not seen on paper.
OVERFULL = 10

_ERROR = re.compile(r"^\S*?\.(?:tex|sty|cls|toc|out|aux):(?P<line>\d+): (?P<what>.+)")
_FATAL = re.compile(r"^! (?P<what>.+)")
_OVERFULL = re.compile(
    r"^(?P<what>Overfull \\[hv]box \((?P<points>[\d.]+)pt too \w+\)).*?"
    r"lines? (?P<line>\d+)"
)
_WARNING = re.compile(
    r"^(?:LaTeX|Package hyperref) Warning: "
    r"(?P<what>(?=.*\b(?:undefined|multiply defined)\b).*?)"
    r"(?: on input line (?P<line>\d+))?\.?$"
)
_LABEL = re.compile(r"\\label\{\\detokenize\{([^:{}]+):+([^{}]*)\}\}")


@dataclass(frozen=True)
class Fault:
    """What LaTeX complained of, and the line of its input, 0 where it names none."""

    what: str
    line: int


def faults(log: str) -> list[Fault]:
    """Errors, characters without a glyph, references to nowhere, text off the page."""
    found: dict[Fault, None] = {}
    for text in log.splitlines():
        for pattern in (_ERROR, _FATAL, _OVERFULL, _WARNING):
            match = pattern.match(text)
            if match is None:
                continue
            groups = match.groupdict()
            if float(groups.get("points") or OVERFULL + 1) > OVERFULL:
                line = int(groups.get("line") or 0)
                found[Fault(groups["what"].rstrip("."), line)] = None
            break
    return list(found)


def place(source: str, line: int) -> str:
    """The page and the last label before a line of the LaTeX source."""
    labels = _LABEL.findall("\n".join(source.splitlines()[:line]))
    if not labels:
        return "before the first page"
    document, anchor = labels[-1]
    return f"{document}#{anchor}" if anchor and anchor != "doc" else document


def report(log: str, source: str) -> list[str]:
    """A line for each fault: where in the book, and what."""
    return [
        f"{place(source, fault.line)}: {fault.what} (line {fault.line} of the source)"
        if fault.line
        else fault.what
        for fault in faults(log)
    ]
