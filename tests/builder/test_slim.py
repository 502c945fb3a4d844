"""The site without what themes bring in vain, and with the icons that it shows."""

import pytest

from book.build.slim import slim
from book.site.icons import icons_css


def test_icons_are_those_of_the_pages():
    pages = '<i class="fas fa-rocket"></i> not far from a <i class="fab fa-github">'
    css = icons_css(pages, "")
    assert ".fa-rocket:before" in css and ".fa-github:before" in css
    assert css.count("@font-face") == 2  # solid and brands; "far" is a word here
    assert ".fa-download" not in css
    assert len(css) < 10_000
    assert "SIL OFL" in css


def test_icon_that_a_style_sheet_names_by_code_has_a_glyph():
    pages = '<i class="fas fa-rocket"></i>'
    plain = icons_css(pages, "")
    assert len(icons_css(pages, r'a::after { content: "\f303" }')) > len(plain)
    assert len(icons_css(pages, 'a::after { content: "\uf303" }')) > len(plain)


@pytest.fixture
def small_site(tmp_path):
    def write(**files):
        for name, text in files.items():
            name, _, suffix = name.rpartition("_")
            path = tmp_path / f"{name.replace('__', '/')}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        slim(tmp_path)
        static = tmp_path / "_static"
        return {p.relative_to(static).as_posix() for p in static.rglob("*.*")}

    return write


def test_what_is_named_stays_with_all_it_names(small_site):
    kept = small_site(
        page_html='<link href="_static/a.css"><link href="_static/icons.css">',
        _static__a_css='@import "b.css"; /*# sourceMappingURL=a.css.map */',
        _static__b_css="p { background: url(c.svg) }",
        _static__c_svg="<svg/>",
        _static__d_svg="<svg/>",
        _static__old__e_js="import('a.css')",
    )
    assert kept == {"a.css", "b.css", "c.svg", "icons.css"}


def test_comments_about_source_maps_go(small_site, tmp_path):
    small_site(
        page_html='<script src="_static/a.js"></script>',
        _static__a_js="run();\n//# sourceMappingURL=a.js.map\n",
    )
    assert (tmp_path / "_static/a.js").read_text().strip() == "run();"
