"""Serve the built site to this computer: python docs/serve.py [PORT]."""

import functools
import http.server
import sys
from pathlib import Path

SITE = Path(__file__).resolve().parent / "_build" / "site"


def main() -> int:
    """Serve until Ctrl-C; 1 if there is no site yet."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    if not (SITE / "index.html").exists():
        print("there is no site yet: build it with python docs/build.py", file=sys.stderr)
        return 1
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"http://127.0.0.1:{port}/ (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
