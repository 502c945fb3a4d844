"""What readers do to the text of a page, and how a test does it."""

# WCAG 1.4.12 (spacing) and 1.4.4 (twice the size).
TEXTS = {
    "as it is": "",
    "spaced": """* { line-height: 1.5 !important; letter-spacing: 0.12em !important;
        word-spacing: 0.16em !important } p { margin-bottom: 2em !important }""",
    "large": "html { font-size: 200% !important }",
}
SET_TEXT = """css => {
    document.adoptedStyleSheets = [new CSSStyleSheet()];
    document.adoptedStyleSheets[0].replaceSync(css);
}"""
