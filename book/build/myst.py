"""MyST Markdown as myst-parser reads it, each piece with its place in the source."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from docutils.parsers.rst.directives.misc import TestDirective
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.directives import parse_directive_text
from myst_parser.parsers.mdit import create_md_parser

# What _config.yml enables as well.
EXTENSIONS = {"amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"}
# The tokens that stand for lines of the source, and what a block of theirs is called.
KINDS = {
    "amsmath": "code",
    "code_block": "code",
    "colon_fence": "code",
    "fence": "code",
    "front_matter": "comment",
    "heading_open": "heading",
    "html_block": "code",
    "inline": "text",
    "math_block": "math",
    "math_block_label": "math",
    "myst_block_break": "comment",
    "myst_line_comment": "comment",
    "myst_target": "target",
}
# Directives whose body is no MyST.
VERBATIM = ("code", "code-block", "code-cell", "math", "raw")
# A role, link, note or formula that its parser has not taken for one.
_LEFTOVER = re.compile(r"\{[a-z]+(?::[a-z]+)?\}`?|`|\]\(|\]\[|\[\^[^\]]*\]|:::+|\$\$")
_DIRECTIVE = re.compile(r"\{([^\s}]+)\}\s*(.*)")


@dataclass
class Block:
    """Lines of a document; `line` is the first one's number, counted from 1.

    kind: text, heading, target, comment, code, math (between double dollars) or
    directive. Lines that are none of these, blank ones for instance, are text.
    """

    kind: str
    line: int
    text: str  # the source; a directive's and mathematics' body only
    name: str = ""  # of a directive; h1 to h6 for a heading
    argument: str = ""  # of a directive; a heading's words
    options: dict[str, str] = field(default_factory=dict)
    label: str = ""  # of a target or of mathematics
    closed: bool = True  # of what stands in a fence
    prefix: str = ""  # what stands before it in a list or a quotation
    body_line: int = 0


@dataclass(frozen=True)
class Element:
    """A role, link or image in a text, from `start` up to `end`."""

    kind: str  # role, link or image
    start: int
    end: int
    text: str  # of a link; a role's content
    target: str = ""  # of a link or image
    role: str = ""


@cache  # The four frameworks' notebooks share their prose.
def blocks(source: str, line: int = 1) -> tuple[Block, ...]:
    """Cuts a document or a directive's body whose first line is number `line`."""
    lines = source.splitlines()
    found: list[Block] = []
    done = 0
    # Settings stand at a document's start only: what a cell begins with is a rule.
    above = 1 if line > 1 else 0
    tokens = _PARSER.parse("\n" * above + source)
    for token, following in zip(tokens, [*tokens[1:], None]):
        if token.type not in KINDS or token.map is None:
            continue
        start, end = (number - above for number in token.map)
        if start < done:
            continue
        for index in range(done, start):
            found.append(Block("text", line + index, lines[index]))
        done = end
        text = "\n".join(lines[start:end])
        block = Block(KINDS[token.type], line + start, text)
        if block.kind == "heading":
            block.name, block.argument = token.tag, following.content
        elif block.kind == "target":
            block.label = token.content
        elif block.kind == "math":
            block.text, block.label = token.content.strip("\n"), token.info
            block.prefix = lines[start].partition("$$")[0]
        elif token.type in ("fence", "colon_fence"):
            last = lines[end - 1].rstrip()
            block.closed = end - start > 1 and last.endswith(token.markup)
            _read_directive(block, token)
        found.append(block)
    for index in range(done, len(lines)):
        found.append(Block("text", line + index, lines[index]))
    return tuple(found)


def walk(source: str, line: int = 1) -> Iterator[Block]:
    """All blocks, those inside directives too."""
    for block in blocks(source, line):
        yield block
        if block.kind == "directive" and block.name not in VERBATIM:
            yield from walk(block.text, block.body_line)


@cache
def elements(text: str) -> tuple[Element, ...]:
    """The roles, links and images of a text in order, none inside of another."""
    found: list[Element] = []
    for token in _PARSER.parseInline(text)[0].children or ():
        start, end = token.meta.get("place", (0, 0))
        if found and start < found[-1].end:
            continue
        source = text[start:end]
        if token.type == "myst_role":
            role = token.meta["name"]
            content = source.removeprefix(f"{{{role}}}").strip("`")
            found.append(Element("role", start, end, content, role=role))
        elif token.type in ("link_open", "image"):
            target = token.attrs["href" if token.type == "link_open" else "src"]
            words, closed, _ = source.removeprefix("!")[1:].rpartition("](")
            if closed:  # not `<address>`
                kind = token.type.removesuffix("_open")
                found.append(Element(kind, start, end, words, target))
    return tuple(found)


def leftovers(text: str) -> list[str]:
    """What looks like markup and is none, and images whose file nobody looks for."""
    tokens = _PARSER.parseInline(text)[0].children or ()
    words = "".join(
        # An escaped sign is meant as it stands.
        token.content if token.type == "text" else "\\"
        for token in tokens
        if token.type in ("text", "text_special")
    )
    html = [token.content for token in tokens if token.type == "html_inline"]
    return _LEFTOVER.findall(words) + [tag[:4] for tag in html if tag[:4] == "<img"]


def _read_directive(block: Block, token: Token) -> None:
    """Makes a directive of a fence, unless that is plain code."""
    match = _DIRECTIVE.match(token.info.strip())
    if match is None and token.type == "fence":
        return
    block.kind = "directive"
    block.name, block.argument = match.groups() if match else ("div", "")
    # Docutils' own directive for tests, for which myst-parser allows every option.
    parsed = parse_directive_text(TestDirective, block.argument, token.content)
    block.options = parsed.options
    block.prefix = block.text.partition(token.markup)[0]
    block.text = "\n".join(parsed.body)
    block.body_line = block.line + 1 + parsed.body_offset


def _placed(rule):
    """The rule of the parser, which then tells where in the text a token stands."""

    def apply(state: StateInline, silent: bool) -> bool:
        start, count = state.pos, len(state.tokens)
        applies = rule(state, silent)
        if applies:
            for token in state.tokens[count:]:
                token.meta.setdefault("place", (start, state.pos))
        return applies

    return apply


def _parser():
    parser = create_md_parser(
        MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML
    )
    parser.disable("text_join")  # else an escaped sign could not be told from others
    rules = parser.inline.ruler
    for name, rule in zip(rules.get_active_rules(), rules.getRules("")):
        rules.at(name, _placed(rule))
    return parser


_PARSER = _parser()
