"""A scripted OpenAI-compatible server on loopback: each request gets the next of its prompt's scripted replies."""

import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


def completion(text: str, finish: str = "stop") -> dict[str, Any]:
    """The body of a chat completion."""
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


@dataclass
class Reply:
    """One scripted reply: a status with a body, after a delay."""

    status: int = 200
    body: Any = None  # bytes as they are, anything else as JSON; None: "answer to PROMPT"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False  # close the connection instead


class ChatServer:
    """`with ChatServer({"prompt": [Reply(...), ...]}) as server`: prompts without a script are answered at once."""

    def __init__(self, script: dict[str, list[Reply]] | None = None) -> None:
        self.script = {prompt: list(replies) for prompt, replies in (script or {}).items()}
        self.requests: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.times: dict[str, list[float]] = defaultdict(list)
        self.at_once = 0  # most requests in progress together
        self._in_progress = 0
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._http.shutdown()
        self._http.server_close()

    def reply(self, request: dict[str, Any]) -> Reply:
        """What a request gets: the next reply of its prompt's script."""
        with self._lock:
            replies = self.script.get(request["messages"][0]["content"]) or self.script.get("*") or []
            return replies.pop(0) if len(replies) > 1 else replies[0] if replies else Reply()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        prompt = request["messages"][0]["content"]
        with self._lock:
            self.requests.append(request)
            self.keys.add(handler.headers.get("authorization", ""))
            self.times[prompt].append(time.monotonic())
            self._in_progress += 1
            self.at_once = max(self.at_once, self._in_progress)
        reply = self.reply(request)
        time.sleep(reply.delay)
        with self._lock:
            self._in_progress -= 1
        if reply.drop:
            handler.close_connection = True
            return
        body = completion(f"answer to {prompt}") if reply.body is None else reply.body
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            handler.send_response(reply.status)
            for name, value in {"content-type": "application/json", **reply.headers}.items():
                handler.send_header(name, value)
            handler.send_header("content-length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
