"""A loopback server that sends bytes as it is told: half answers, endless headers, bombs, redirects."""

import gzip
import itertools
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

Script = Iterator[bytes | float]  # bytes to send, seconds to wait; after its end the connection closes


def whole(body: bytes, *headers: str, status: str = "200 OK") -> Script:
    """A complete answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    yield "\r\n".join([*lines, "", ""]).encode() + body


def half_body() -> Script:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"


def no_answer() -> Script:
    yield 0.0


def stalls_in_header() -> Script:
    yield b"HTTP/1.1 200 OK\r\nContent-"
    yield 60.0


def drips_headers() -> Script:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in itertools.count():
        yield f"X-{number}: 1\r\n".encode()
        yield 0.05


def stalls_in_body() -> Script:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    yield 60.0


def bad_gzip() -> Script:
    return whole(b"this is not gzip", "Content-Encoding: gzip")


def broken_gzip() -> Script:
    return whole(gzip.compress(b"x" * 1000)[:-9], "Content-Encoding: gzip")


@cache
def _bomb() -> bytes:
    packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(300)) + packer.flush()


def gzip_bomb() -> Script:
    """300 MB in 1.3."""
    return whole(_bomb(), "Content-Encoding: gzip", "Content-Type: application/json")


def endless() -> Script:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    for _ in range(300):
        yield b" " * (1 << 20)


def other_compression() -> Script:
    return whole(b"\x28\xb5\x2f\xfd", "Content-Encoding: zstd")


def no_http() -> Script:
    yield b"SSH-2.0-OpenSSH_9.6\r\n"


class RawServer:
    """`with RawServer(script, ...) as server`: connection n gets the n-th script, later ones the last.

    With `behave` each request gets the script that it makes of it.
    """

    def __init__(self, *scripts: Any, behave: Callable[[bytes], Script] | None = None) -> None:
        self.scripts = list(scripts) or [None]
        self.behave = behave
        self.requests: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self._stopped = threading.Event()

    def __enter__(self) -> "RawServer":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._socket.close()

    def _serve(self) -> None:
        for number in itertools.count():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            script = self.scripts[min(number, len(self.scripts) - 1)]
            threading.Thread(target=self._answer, args=(connection, script), daemon=True).start()

    def _answer(self, connection: socket.socket, script: Any) -> None:
        with connection:
            connection.settimeout(5.0)
            try:
                request = _request(connection)
                self.requests.append(request)
                for part in self.behave(request) if self.behave else script():
                    if isinstance(part, bytes):
                        connection.sendall(part)
                    else:
                        end = time.monotonic() + part
                        while time.monotonic() < end and not self._stopped.is_set():
                            time.sleep(0.02)
                    if self._stopped.is_set():
                        return
            except OSError:
                return  # the client hung up, which is what it should do


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
