"""Cuts Font Awesome down to the icons that the site shows, as one small style sheet."""

import re
from base64 import b64encode
from io import BytesIO
from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset
from fontTools.ttLib import TTFont

ICONS = "icons.css"
THEME = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme"
AWESOME = THEME / "static/vendor/fontawesome"
STYLES = (
    # family, weight, file, and the classes that ask for it
    ("Font Awesome 6 Free", 900, "fa-solid-900", {"fa", "fas", "fa-solid"}),
    ("Font Awesome 6 Free", 400, "fa-regular-400", {"far", "fa-regular"}),
    ("Font Awesome 6 Brands", 400, "fa-brands-400", {"fab", "fa-brands"}),
)
# A class of Font Awesome in a page or script, and in a selector of its own.
USED = re.compile(r"(?<![\w-])fa(?:[srb]?(?=\s+fa-)|-[a-z0-9-]+)")
CLASS = re.compile(r"\.(fa[a-z0-9-]*)")
# An icon's code in a style sheet: escaped, or the character itself.
CODE = re.compile(r"\\([ef][0-9a-f]{3})(?![0-9a-f])|([\ue000-\uf8ff])")
BLOCK = re.compile(r"@[\w-]+[^{;]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}")
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")


def icons_css(pages: str, styles: str) -> str:
    """Font Awesome's rules and glyphs for the classes in `pages` and codes in `styles`.

    The fonts are within the style sheet: icons are there at the page's first paint.
    """
    classes = set(USED.findall(pages))
    (package,) = AWESOME.glob("*/")
    css = (package / "css/all.min.css").read_text(encoding="utf-8")
    licence, _, css = css.partition("*/")
    rules = []
    for selectors, body in RULE.findall(BLOCK.sub("", css)):
        kept = [s for s in selectors.split(",") if set(CLASS.findall(s)) <= classes]
        if kept:
            rules.append(f"{','.join(kept)}{{{body}}}")
    rules = [rule for rule in rules if "@" not in rule]
    codes = {
        int(escaped, 16) if escaped else ord(character)
        for escaped, character in CODE.findall("".join(rules) + styles)
    }
    faces = [
        face(family, weight, package / f"webfonts/{file}.ttf", codes)
        for family, weight, file, asking in STYLES
        if asking & classes
    ]
    return "\n".join([f"{licence}*/", *faces, *rules]) + "\n"


def face(family: str, weight: int, path: Path, codes: set[int]) -> str:
    """A font of these codes alone, as a rule of a style sheet."""
    font = TTFont(path, recalcTimestamp=False)
    options = subset.Options(drop_tables=["FFTM"], layout_features=[])
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=codes)
    cutter.subset(font)
    font.flavor = "woff"
    buffer = BytesIO()
    font.save(buffer)
    data = b64encode(buffer.getvalue()).decode()
    return (
        f'@font-face{{font-family:"{family}";font-weight:{weight};'
        f"src:url(data:font/woff;base64,{data})}}"
    )
