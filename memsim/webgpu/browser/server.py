"""Serve a page to browsers on this machine, and to nobody else: WebGPU needs https, or localhost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from memsim.errors import MemsimError
from memsim.webgpu.browser.page import DATA, STATIC

ADDRESS = "127.0.0.1"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json"}
NAMES = ("localhost", "127.0.0.1")
"""Names under which browsers may ask: another site's name that leads to this machine is refused."""


def serve(folder: str | Path, port: int = 8000) -> None:
    """Serve a page on 127.0.0.1 until interrupted; the address is printed.

    Parameters
    ----------
    folder
        Where `export_page` wrote it.
    port
        0 takes any that is free.

    Raises
    ------
    MemsimError
        There is no page in the folder, or the port is taken.
    """
    with _server(Path(folder), port) as server:
        print(f"http://localhost:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


@contextmanager
def serving(folder: str | Path, port: int = 0) -> Iterator[str]:
    """Serve a page on 127.0.0.1 in a thread, while a ``with`` block runs; gives its address.

    Parameters
    ----------
    folder, port
        As `serve` takes them.
    """
    with _server(Path(folder), port) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def _server(folder: Path, port: int) -> ThreadingHTTPServer:
    missing = [name for name in (*STATIC, DATA) if not (folder / name).is_file()]
    if missing:
        raise MemsimError(f"there is no {missing[0]}", where=str(folder), mend="write the page with export_page")

    class Handler(_Handler):
        root = folder

    try:
        return ThreadingHTTPServer((ADDRESS, port), Handler)
    except (OSError, OverflowError) as error:
        raise MemsimError(
            f"cannot listen: {error}", where=f"{ADDRESS}:{port}", mend="choose another port, or 0 for any"
        ) from error


class _Handler(BaseHTTPRequestHandler):
    """Gives the files of a page, and no others."""

    root: Path

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].lstrip("/") or "index.html"
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if host not in NAMES:
            self.send_error(403, "asked for under another name than localhost")
        elif name not in (*STATIC, DATA):
            self.send_error(404)
        else:
            self._give(self.root / name)

    def _give(self, path: Path) -> None:
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", f"{KINDS[path.suffix]}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: each request is one of the page's own."""
