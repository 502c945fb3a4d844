"""Sphinx extensions, templates and files of the site."""
