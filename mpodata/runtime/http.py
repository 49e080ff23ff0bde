"""HTTP with bounds: a deadline over the whole exchange, headers included; bounded bytes; one origin only.

Servers are not trusted: an answer may drip in, never end, be a compression bomb, or send the request, with the texts in
it, to another address. All of that is a failed request, and a failed request may be made again.
"""

import asyncio
import threading
import urllib.request
import weakref
import zlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx2 as httpx

from mpodata.runtime.remote import STOP, Unanswered

MOST_BYTES: Final = 16 << 20  # of an answer, decompressed
POLL: Final = 0.2  # seconds between two looks at STOP
ENCODINGS: Final = {"gzip", "x-gzip", "deflate"}

Result = TypeVar("Result")


class BoundedTransport(httpx.AsyncBaseTransport):
    """Answers of at most `most_bytes`; redirects to another origin and compression that was not asked for fail."""

    def __init__(self, inner: httpx.AsyncBaseTransport, most_bytes: int = MOST_BYTES) -> None:
        self.inner = inner
        self.most_bytes = most_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["accept-encoding"] = "gzip, deflate"
        response = await self.inner.handle_async_request(request)
        location = response.headers.get("location")
        if response.is_redirect and location and _origin(request.url.join(location)) != _origin(request.url):
            await response.aclose()
            raise httpx.RemoteProtocolError("it redirects to another address", request=request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        encoding = response.headers.pop("content-encoding", "identity").strip().lower()
        response.headers.pop("content-length", None)  # of the compressed bytes
        stream = _BoundedStream(response.stream, encoding, self.most_bytes)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )

    async def aclose(self) -> None:
        await self.inner.aclose()


class _BoundedStream(httpx.AsyncByteStream):
    """The decompressed bytes of `inner`, at most `most`."""

    def __init__(self, inner: httpx.AsyncByteStream, encoding: str, most: int) -> None:
        if encoding not in ENCODINGS | {"identity", ""}:
            raise httpx.DecodingError(f"an answer compressed as {encoding[:20]!r}, which was not asked for")
        self._inner, self._left = inner, most
        self._decoder = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding in ENCODINGS else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            data = self._decoded(chunk)
            self._left -= len(data)
            if self._left < 0:
                raise httpx.ReadError("an answer that is too large")
            yield data
        if self._decoder is not None and not self._decoder.eof:
            raise httpx.DecodingError("a compressed answer that breaks off")

    def _decoded(self, chunk: bytes) -> bytes:
        if self._decoder is None:
            return chunk
        try:
            return self._decoder.decompress(chunk, self._left + 1)
        except zlib.error as error:
            raise httpx.DecodingError("an answer that is not compressed as it says") from error

    async def aclose(self) -> None:
        await self._inner.aclose()


def bounded_client(address: str, most_bytes: int = MOST_BYTES, *, connections: int = 100) -> httpx.AsyncClient:
    """A client for the origin of `address`, with the environment's proxy; the caller sets the deadline."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    proxy = None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get(parts.scheme)
    limits = httpx.Limits(max_connections=connections)
    verify = parts.scheme != "http"  # certificates take a while to load, and plain HTTP stays plain
    transport = BoundedTransport(httpx.AsyncHTTPTransport(proxy=proxy, limits=limits, verify=verify), most_bytes)
    return httpx.AsyncClient(transport=transport, timeout=None, follow_redirects=True, max_redirects=3)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status_code: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The body as text; UTF-8 where its charset is not named or does not exist."""
        charset = httpx.Headers(dict(self.headers)).get("content-type", "").partition("charset=")[2].strip(" \"';")
        try:
            return self.body.decode(charset or "utf-8", errors="replace")
        except (LookupError, UnicodeError):
            return self.body.decode("utf-8", errors="replace")


class HttpClient:
    """Requests to one origin from any thread; each ends within `deadline` seconds, or when STOP is set."""

    def __init__(self, address: str, deadline: float, most_bytes: int = MOST_BYTES) -> None:
        self.address = address
        self.deadline = deadline
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None

    def request(self, method: str, url: str, **options: Any) -> Reply:
        """One request, `options` as httpx takes them; raises Unanswered where no whole answer came in time."""
        loop = self._started()
        assert self._client is not None
        future = asyncio.run_coroutine_threadsafe(_request(self._client, self.deadline, method, url, options), loop)
        try:
            while True:
                with suppress(NotYet):
                    return future.result(timeout=POLL)
                if STOP.is_set():
                    raise Unanswered("stopped")
        except CancelledError as error:
            raise Unanswered("stopped") from error
        finally:
            future.cancel()

    def _started(self) -> asyncio.AbstractEventLoop:
        """The event loop that all requests run in, in a thread of its own."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._client = bounded_client(self.address, self.most_bytes)
                thread = threading.Thread(target=_serve, args=(self._loop,), name="mpodata-http", daemon=True)
                thread.start()
                weakref.finalize(self, _close, self._loop, self._client, thread)
            return self._loop


async def _request(
    client: httpx.AsyncClient, deadline: float, method: str, url: str, options: Mapping[str, Any]
) -> Reply:
    try:
        async with asyncio.timeout(deadline):
            response = await client.request(method, url, **options)
    except TimeoutError as error:
        raise Unanswered(f"no whole answer within {deadline:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise Unanswered(f"{type(error).__name__}: {error}"[:200]) from error
    return Reply(response.status_code, response.content, dict(response.headers))


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _close(loop: asyncio.AbstractEventLoop, client: httpx.AsyncClient, thread: threading.Thread) -> None:
    """Close the connections that were kept open, then end the loop and its thread."""

    async def close() -> None:
        await client.aclose()
        loop.stop()

    asyncio.run_coroutine_threadsafe(close(), loop)
    if thread is not threading.current_thread():
        thread.join(2.0)


def run_to_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` in a thread of its own, since a notebook's thread has an event loop already.

    An exception here, such as Ctrl-C, cancels it at once.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    thread = threading.Thread(target=_run_until_done, args=(loop, task), daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(POLL)
    except BaseException:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(5.0)
        raise
    return task.result()


def _run_until_done(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[Any]") -> None:
    with suppress(BaseException):  # it is the task's, and raised where its result is asked for
        loop.run_until_complete(task)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
