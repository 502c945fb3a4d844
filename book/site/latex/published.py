"""Addresses of the published site, from `html.baseurl` in _config.yml."""

from docutils import nodes
from sphinx.config import Config
from sphinx.util.docutils import ReferenceRole


def published(config: Config, path: str) -> str:
    """The address of a file of the site (`book/setup.html`)."""
    return f"{config.html_baseurl.rstrip('/')}/{path}"


class Published(ReferenceRole):
    """A link to a file of the published site, also where this copy has none."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        address = published(self.config, self.target)
        title = self.title if self.has_explicit_title else address
        return [nodes.reference("", title, refuri=address)], []
