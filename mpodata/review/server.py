"""The local web page of a review: starlette under uvicorn, on the loopback interface alone.

Who may ask: the machine's own programs that know the address, which holds a random token. Three guards for browsers
that have other pages open: the Host header must name this machine (a foreign name could be pointed here), a request
that changes something must come from this page (Origin, Sec-Fetch-Site) and be JSON, which no form can send.
"""

import hmac
import json
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final

from mpodata.errors import ConfigError, MpoError
from mpodata.registry import require
from mpodata.review.session import Session

FILES: Final = {"/": "page.html", "/page.css": "page.css", "/page.js": "page.js"}
KINDS: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
LARGEST_BODY: Final = 2 * 2**20  # bytes of one request; three corrected texts at most
HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
SECURITY_HEADERS: Final = (
    (b"content-security-policy", b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
     b"img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)  # fmt: skip

Scope = MutableMapping[str, Any]  # of ASGI, as are the next three
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def serve(session: Session, port: int, announce: Callable[[str], None], token: str | None = None) -> None:
    """Serve the page until Ctrl-C; `announce` is told its address once it can be opened.

    port: 0 for any free one. Raises ConfigError where the port is taken, MissingPackage without starlette or uvicorn.
    """
    uvicorn = require("uvicorn", package="uvicorn", purpose="mpodata review", extra="review")
    token = token or secrets.token_urlsafe(24)
    app = guarded(application(session), token)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(
                f"--port {port}: {error.strerror}. Name another, or leave it out for a free one."
            ) from error
        listening.listen()
        announce(f"http://127.0.0.1:{listening.getsockname()[1]}/{token}/")
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False, proxy_headers=False
        )
        uvicorn.Server(config).run(sockets=[listening])


def application(session: Session) -> App:
    """The pages and the few calls of the page's script, without the guards."""
    require("starlette", package="starlette", purpose="mpodata review", extra="review")
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def file(request: Request) -> Response:
        path = Path(__file__).with_name(FILES[request.scope["path"]])
        return Response(path.read_bytes(), media_type=KINDS[path.suffix])

    async def setup(_: Request) -> Response:
        return JSONResponse(session.setup())

    async def row(request: Request) -> Response:
        asked = request.query_params
        number = session.move(_whole(asked, "from"), _whole(asked, "step"), asked.get("filter", "open"))
        if number is None:
            return JSONResponse({"number": None, "total": len(session.items), "progress": session.progress()})
        return JSONResponse(session.row(number, reveal=asked.get("reveal") == "1"))

    async def readers(_: Request) -> Response:
        return JSONResponse(session.readers())

    async def decide(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_BODY:
                return JSONResponse({"error": "The request is too large."}, 413)
        try:
            raw = json.loads(body)
        except (ValueError, RecursionError):
            raw = None
        if not isinstance(raw, dict):
            return JSONResponse({"error": "The request is not a JSON object."}, 400)
        return JSONResponse(session.decide(raw))

    def refused(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 400)

    return Starlette(
        routes=[
            *(Route(path, file) for path in FILES),
            Route("/api/setup", setup),
            Route("/api/row", row),
            Route("/api/readers", readers),
            Route("/api/decide", decide, methods=["POST"]),
        ],
        exception_handlers={MpoError: refused},
    )


def _whole(asked: Mapping[str, str], name: str) -> int:
    text = asked.get(name, "")
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"{name} must be a whole number.") from error


def guarded(app: App, token: str) -> App:
    """`app` for those who know the token, which is the first part of every path, and for this page's own requests."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope.get("headers", ())}
        status, path = _judge(scope, headers, token)
        if status:
            await send({"type": "http.response.start", "status": status, "headers": list(SECURITY_HEADERS)})
            await send({"type": "http.response.body", "body": b""})
            return

        async def sealed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *SECURITY_HEADERS]}
            await send(message)

        await app({**scope, "path": path, "raw_path": path.encode(), "root_path": ""}, receive, sealed)

    return guard


def _judge(scope: Scope, headers: Mapping[bytes, str], token: str) -> tuple[int, str]:
    """(0, the path behind the token) where the request may pass, else (the status to answer, "")."""
    host = headers.get(b"host", "")
    if host.rpartition(":")[0] not in HOSTS and host not in HOSTS:
        return 403, ""
    given = scope["path"].split("/")[1]
    if not hmac.compare_digest(given.encode(), token.encode()):
        return 404, ""
    if scope["method"] not in ("GET", "HEAD"):
        origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
        if origin is not None and origin != f"http://{host}":
            return 403, ""
        if site is not None and site != "same-origin":
            return 403, ""
        if headers.get(b"content-type", "").partition(";")[0].strip() != "application/json":
            return 415, ""
    return 0, "/" + scope["path"].removeprefix(f"/{token}").removeprefix("/")
