"""A loopback stand-in for Google Translate's page: answers, refuses, hangs and garbles as it is told."""

import html
import itertools
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Behave = Callable[[str, int], "str | int | tuple[int, dict[str, str]] | float"]


class TranslatePage:
    """Serves `/m`. `behave(text, nth request)` gives a translation, a status (with headers), or seconds to hang.

    A negative number drips a page in, a byte every so many seconds.
    """

    def __init__(self, behave: Behave) -> None:
        self.behave = behave
        self.asked: list[dict[str, str]] = []  # the query of every request
        self.times: list[float] = []
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
                page.asked.append(query)
                page.times.append(time.monotonic())
                self.answer(page.behave(query.get("q", ""), len(page.asked)))

            def answer(self, what) -> None:
                if isinstance(what, float) and what < 0:
                    self.drip(-what)
                    return
                if isinstance(what, float):
                    time.sleep(what)
                    what = 200
                status, headers, body = 200, {}, b""
                if isinstance(what, str):
                    body = f'<html><body><div class="result-container">{html.escape(what)}</div></body></html>'.encode()
                elif isinstance(what, tuple):
                    status, headers = what
                else:
                    status = what
                try:
                    self.send_response(status)
                    for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client's deadline came first, which is what a hanging page is for

            def drip(self, seconds: float) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                try:
                    for _ in itertools.repeat(None, 1000):
                        self.wfile.write(b"x")
                        time.sleep(seconds)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}/m"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
