"""Shows the built site on this machine; needs nothing but Python itself."""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).parents[1] / "_build/html"


def main(port: str = "8000", site: Path = SITE) -> str | None:
    """Serves `site` until Ctrl-C; returns what is wrong, if anything is."""
    if not (site / "index.html").is_file():
        return "There is no site yet: `make book` builds it."
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    try:
        server = ThreadingHTTPServer(("localhost", int(port)), handler)
    except (OSError, OverflowError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no number from 1024 to 65535"
        return f"Port {port}: {reason}. Take another: `make serve PORT=8001`."
    with server:
        print(
            f"http://localhost:{server.server_port} shows the site; Ctrl-C ends it.",
            flush=True,
        )
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
