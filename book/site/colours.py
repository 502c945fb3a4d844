"""The frameworks' colours, as book/static/book.css has them."""

import re
from pathlib import Path

from book.build.source import FRAMEWORKS, BookError

CSS = Path(__file__).with_name("static") / "book.css"
LIGHT, DARK = ":root", 'html[data-theme="dark"]'


def colours(css: str, theme: str = LIGHT) -> dict[str, str]:
    """Six digits for each framework: those of the first rule of a theme.

    Raises:
        BookError: the rule names no colour for a framework.
    """
    rules = re.findall(r"^([^\n{]+) \{\n(.*?)^\}", css, re.MULTILINE | re.DOTALL)
    rule = next((body for selector, body in rules if selector == theme), "")
    found = {}
    for framework in FRAMEWORKS:
        match = re.search(rf"--{framework}:\s*#([0-9a-fA-F]{{6}})\b", rule)
        if match is None:
            raise BookError(
                f"book/static/book.css: {theme} gives --{framework} no colour"
            )
        found[framework] = match[1].upper()
    return found
