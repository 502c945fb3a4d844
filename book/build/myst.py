"""MyST Markdown as blocks (directives, mathematics, text) and inline elements."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

_FENCE = re.compile(
    r"^(\s*)(`{3,}(?=[^`]*$)|~{3,}|:{3,})\s*(?:\{([\w:.+-]+)\})?\s*(.*?)\s*$"
)
_TARGET = re.compile(r"^\(([^()]+)\)=\s*$")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_OPTION = re.compile(r"^\s*:([\w-]+):\s*(.*?)\s*$")
_MATH_END = re.compile(r"\$\$\s*(?:\(([^()]+)\))?\s*$")
_ROLE_TARGET = re.compile(r"^(.*?)\s*<([^<>]+)>$", re.DOTALL)

# Roles, code spans, inline mathematics, images and links, whichever starts first.
INLINE = re.compile(
    r"""
    \{(?P<role>[\w:+-]+)\}(?P<ticks>`+)(?P<content>.+?)(?<!`)(?P=ticks)(?!`)
    |(?P<code>`+)(?!`).+?(?<!`)(?P=code)(?!`)
    |(?<!\\)(?P<math>\$)[^$]+(?<!\\)\$
    |(?P<image>!?)\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s]*)(?:\s[^()]*)?\)
    """,
    re.DOTALL | re.VERBOSE,
)


@dataclass
class Block:
    """A piece of a document; `line` is where it starts, counted from 1.

    kind: text, heading, target, comment, break, code (plain fence), math (between
    double dollars) or directive.
    """

    kind: str
    line: int
    text: str = ""  # the source; a directive's and mathematics' body only
    name: str = ""  # of a directive
    argument: str = ""
    options: dict = field(default_factory=dict)
    label: str = ""  # of a target or of mathematics
    indent: str = ""
    body_line: int = 0


def blocks(source: str, line: int = 1) -> Iterator[Block]:
    """Cuts a document or a directive's body whose first line is number `line`."""
    lines = source.splitlines()
    index = 0
    paragraph: list[str] = []

    def flush() -> Iterator[Block]:
        if paragraph:
            start = line + index - len(paragraph)
            yield Block("text", start, "\n".join(paragraph))
            paragraph.clear()

    if line == 1 and lines and lines[0] == "---":  # front matter
        index = next((i + 1 for i in range(1, len(lines)) if lines[i] == "---"), 0)
    while index < len(lines):
        text = lines[index]
        single = _single(text, line + index)
        if single:
            yield from flush()
            yield single
            index += 1
        elif _FENCE.match(text):
            yield from flush()
            end = _fence_end(lines, index)
            yield _fenced(lines[index:end], line + index)
            index = end
        elif text.lstrip().startswith("$$"):
            yield from flush()
            end = _math_end(lines, index)
            yield _math(lines[index:end], line + index)
            index = end
        else:
            if text.strip():
                paragraph.append(text)
                index += 1
            else:
                yield from flush()
                yield Block("text", line + index)
                index += 1
    yield from flush()


def role_target(content: str) -> tuple[str, str]:
    """Title (may be empty) and target of a role's content: `title <target>`."""
    match = _ROLE_TARGET.match(content)
    return (match[1], match[2].strip()) if match else ("", content.strip())


def has_body(block: Block) -> bool:
    """Whether the body of a directive is MyST again (else it is code or data)."""
    verbatim = ("code-cell", "code-block", "code", "math", "raw", "mermaid")
    return block.kind == "directive" and block.name not in verbatim


def walk(source: str, line: int = 1) -> Iterator[Block]:
    """All blocks, those inside directives too."""
    for block in blocks(source, line):
        yield block
        if has_body(block):
            yield from walk(block.text, block.body_line)


def _single(text: str, line: int) -> Block | None:
    """A block that is one line."""
    if match := _TARGET.match(text):
        return Block("target", line, text, label=match[1])
    if match := _HEADING.match(text):
        return Block("heading", line, text, argument=match[2])
    if text.startswith("%"):
        return Block("comment", line, text)
    if text.startswith("+++"):
        return Block("break", line, text)
    return None


def _fence_end(lines: list[str], start: int) -> int:
    """Index behind the closing fence: the same character, at least as many."""
    opening = _FENCE.match(lines[start])[2]
    for index in range(start + 1, len(lines)):
        text = lines[index].strip()
        if set(text) == {opening[0]} and len(text) >= len(opening):
            return index + 1
    return len(lines)


def _fenced(lines: list[str], line: int) -> Block:
    indent, _, name, argument = _FENCE.match(lines[0]).groups()
    if name is None and lines[0].lstrip()[0] != ":":
        return Block("code", line, "\n".join(lines))
    body = [text.removeprefix(indent) for text in lines[1:-1]]
    options, count = _options(body)
    while count < len(body) and not body[count].strip():
        count += 1
    return Block(
        "directive",
        line,
        "\n".join(body[count:]),
        name=name or "div",
        argument=argument,
        options=options,
        indent=indent,
        body_line=line + 1 + count,
    )


def _options(body: list[str]) -> tuple[dict, int]:
    """Options of a directive and how many lines they take."""
    if body and body[0].strip() == "---":
        end = next((i for i in range(1, len(body)) if body[i].strip() == "---"), 0)
        try:
            return yaml.safe_load("\n".join(body[1:end])) or {}, end + 1
        except yaml.YAMLError:
            return {}, end + 1
    options = {}
    for count, text in enumerate(body):
        match = _OPTION.match(text)
        if not match:
            return options, count
        options[match[1]] = match[2]
    return options, len(body)


def _math_end(lines: list[str], start: int) -> int:
    first = lines[start].strip()
    if len(first) > 2 and _MATH_END.search(first[2:]):
        return start + 1
    for index in range(start + 1, len(lines)):
        if _MATH_END.search(lines[index]):
            return index + 1
    return len(lines)


def _math(lines: list[str], line: int) -> Block:
    text = "\n".join(lines)
    indent = text[: len(text) - len(text.lstrip())]
    inner = text.strip()[2:]
    match = _MATH_END.search(inner)
    label = (match and match[1]) or ""
    formula = inner[: match.start()] if match else inner
    return Block("math", line, formula.strip("\n"), label=label, indent=indent)
