"""Turns chapters/*.md into notebooks, pages and a site: `python -m book`."""
