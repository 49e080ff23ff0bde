"""A Hugging Face Hub on the loopback interface, for the real clients: repositories, commits, refs, LFS, access, faults.

Everything is in memory. A fault makes the n next requests of one kind fail in a named way: a status, a dropped
connection, or a wait that lets a test kill the client, each before or after the request took effect.
"""

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KINDS = "models|datasets|spaces"


@dataclass
class Blob:
    """One file of one commit."""

    data: bytes
    lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def oid(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()

    def entry(self, path: str) -> dict[str, Any]:
        pointer = {"lfs": {"oid": self.sha256, "size": len(self.data), "pointerSize": 130}} if self.lfs else {}
        return {"type": "file", "oid": self.oid, "size": len(self.data), "path": path, **pointer}


@dataclass
class Commit:
    oid: str
    parent: str | None
    title: str
    message: str
    files: dict[str, Blob]


@dataclass
class Repo:
    id: str
    private: bool = False
    gated: str | bool = False
    readers: set[str] = field(default_factory=set)  # users whom a gated or private repository lets in
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return self.id.partition("/")[0]

    def head(self) -> str:
        return self.branches["main"]

    def add(self, title: str, message: str, files: dict[str, Blob]) -> str:
        parent = self.branches.get("main")
        tree = sorted((path, blob.oid) for path, blob in files.items())
        oid = hashlib.sha1(f"{self.id} {parent} {title} {len(self.commits)} {tree}".encode()).hexdigest()
        self.commits[oid] = Commit(oid, parent, title, message, files)
        self.branches["main"] = oid
        return oid

    def history(self, oid: str | None) -> Iterator[Commit]:
        while oid is not None:
            yield self.commits[oid]
            oid = self.commits[oid].parent


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that match."""

    method: str
    path: str  # a regular expression, searched in the path
    action: int | str  # a status, "drop" or "hang"
    after: bool = False  # the request takes effect first: its answer is what gets lost
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    reached: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)  # ends a "hang": the request goes on
    forgotten: bool = False  # a request that waited is dropped instead, as when it never reached the server


class Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "", **body: str) -> None:
        self.status, self.code, self.message = status, code, message or code
        self.body = {"error": self.message, **body}


class LoopbackHub:
    """`with LoopbackHub() as hub:` serves at `hub.endpoint` until the block ends."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.users: dict[str, str] = {}  # token -> name
        self.lfs: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.lock = threading.RLock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "LoopbackHub":
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for fault in self.faults:
            fault.release.set()
        self.server.shutdown()
        self.server.server_close()

    def user(self, name: str) -> str:
        """A new account; its token."""
        token = f"hf_loopback{name.capitalize()}{len(self.users):04d}SecretToken"
        self.users[token] = name
        return token

    def fault(self, method: str, path: str, action: int | str, **options: Any) -> Fault:
        fault = Fault(method, path, action, **options)
        self.faults.append(fault)
        return fault

    def repo(self, name: str, user: str | None, *, write: bool = False) -> Repo:
        """The repository, as `user` may see it."""
        repo = self.repos.get(name)
        allowed = repo is not None and (user == repo.owner or user in repo.readers)
        if repo is None or (repo.private and not allowed):
            raise Refused(401 if user is None else 404, "RepoNotFound", "Repository not found")
        if write and user != repo.owner:
            raise Refused(403, "", "You don't have the rights to write to this repository")
        return repo

    def commit_of(self, repo: Repo, revision: str) -> Commit:
        oid = repo.branches.get(revision) or repo.tags.get(revision) or revision
        if oid not in repo.commits:
            raise Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repo.commits[oid]


Answer = tuple[int, dict[str, str], bytes]
ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Any]]] = []


def route(method: str, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        ROUTES.append((method, re.compile(path), function))
        return function

    return keep


@dataclass
class Request:
    """One request, with whoever sent it."""

    hub: LoopbackHub
    user: str | None
    query: dict[str, list[str]]
    headers: Any
    body: bytes

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body or b"{}"))


@route("GET", r"/api/whoami-v2")
def whoami(request: Request) -> Any:
    if request.user is None:
        raise Refused(401, "", "Invalid credentials in Authorization header")
    return {"type": "user", "name": request.user, "auth": {}, "orgs": []}


@route("POST", r"/api/repos/create")
def create(request: Request) -> Any:
    asked = request.json()
    owner = asked.get("organization") or request.user
    if request.user is None:
        raise Refused(401, "", "Unauthorized")
    if owner != request.user:
        raise Refused(403, "", "You don't have the rights to create a dataset under this namespace")
    name = f"{owner}/{asked['name']}"
    if name in request.hub.repos:
        raise Refused(409, "", "You already created this repo", url=f"{request.hub.endpoint}/datasets/{name}")
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    repo = request.hub.repos[name] = Repo(name, private=private)
    repo.add("initial commit", "", {".gitattributes": Blob(b"*.parquet filter=lfs diff=lfs merge=lfs -text\n", False)})
    return {"url": f"{request.hub.endpoint}/datasets/{name}", "name": name, "id": name}


@route("GET", rf"/api/(?:{KINDS})/([^/]+/[^/]+)(?:/revision/([^/]+))?")
def info(request: Request, name: str, revision: str | None) -> Any:
    repo = request.hub.repo(name, request.user)
    commit = request.hub.commit_of(repo, revision or "main")
    return {
        "id": name, "author": repo.owner, "sha": commit.oid, "private": repo.private, "gated": repo.gated,
        "disabled": False, "lastModified": "2026-01-01T00:00:00.000Z", "tags": [], "downloads": 0,
        "siblings": [{"rfilename": path} for path in sorted(commit.files)],
    }  # fmt: skip


@route("PUT", rf"/api/(?:{KINDS})/([^/]+/[^/]+)/settings")
def settings(request: Request, name: str) -> Any:
    repo = request.hub.repo(name, request.user, write=True)
    asked = request.json()
    repo.gated = asked.get("gated", repo.gated)
    repo.private = asked["visibility"] == "private" if "visibility" in asked else asked.get("private", repo.private)
    return asked


@route("POST", rf"/api/(?:{KINDS})/([^/]+/[^/]+)/preupload/([^/]+)")
def preupload(request: Request, name: str, revision: str) -> Any:
    request.hub.repo(name, request.user, write=True)
    files = request.json()["files"]
    return {
        "files": [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".parquet") else "regular",
                "shouldIgnore": False,
            }
            for file in files
        ]
    }


@route("POST", r"/(?:datasets/|spaces/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch")
def lfs_batch(request: Request, name: str) -> Any:
    request.hub.repo(name, request.user, write=True)
    answers = []
    for item in request.json()["objects"]:
        stored = item["oid"] in request.hub.lfs
        links = {kind: {"href": f"{request.hub.endpoint}/lfs/{kind}/{item['oid']}"} for kind in ("upload", "verify")}
        answers.append({**item, "authenticated": True, **({} if stored else {"actions": links})})
    return {"transfer": "basic", "objects": answers}


@route("PUT", r"/lfs/upload/([0-9a-f]{64})")
def lfs_upload(request: Request, oid: str) -> Any:
    if hashlib.sha256(request.body).hexdigest() != oid:
        raise Refused(400, "", "sha256 does not match")
    request.hub.lfs[oid] = request.body
    return {}


@route("POST", r"/lfs/verify/([0-9a-f]{64})")
def lfs_verify(request: Request, oid: str) -> Any:
    if len(request.hub.lfs.get(oid, b"")) != request.json()["size"]:
        raise Refused(404, "", "Object not found")
    return {}


@route("POST", r"/api/validate-yaml")
def validate_yaml(request: Request) -> Any:
    import yaml

    content = request.json()["content"]
    try:
        yaml.safe_load(content.split("---\n")[1])
    except (yaml.YAMLError, IndexError) as error:
        return {"errors": [{"message": f"Invalid metadata: {type(error).__name__}"}], "warnings": []}
    return {"errors": [], "warnings": []}


@route("POST", rf"/api/(?:{KINDS})/([^/]+/[^/]+)/commit/([^/]+)")
def commit(request: Request, name: str, revision: str) -> Any:
    repo = request.hub.repo(name, request.user, write=True)
    lines = [json.loads(line) for line in request.body.splitlines() if line.strip()]
    header = next(line["value"] for line in lines if line["key"] == "header")
    if header.get("parentCommit") not in (None, repo.head()):
        raise Refused(412, "", "A commit has happened since. Please refresh and try again.")
    files = dict(repo.commits[repo.head()].files)
    for line in lines:
        value = line["value"]
        if line["key"] == "file":
            files[value["path"]] = Blob(base64.b64decode(value["content"]), lfs=False)
        elif line["key"] == "lfsFile":
            if value["oid"] not in request.hub.lfs:
                raise Refused(400, "", "LFS object was never uploaded")
            files[value["path"]] = Blob(request.hub.lfs[value["oid"]], lfs=True)
        elif line["key"] == "deletedFile":
            del files[value["path"]]
        elif line["key"] == "deletedFolder":
            files = {path: blob for path, blob in files.items() if not path.startswith(value["path"])}
    oid = repo.add(header["summary"], header.get("description", ""), files)
    url = f"{request.hub.endpoint}/datasets/{name}/commit/{oid}"
    return {"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""}


@route("POST", rf"/api/(?:{KINDS})/([^/]+/[^/]+)/(tag|branch)/([^/]+)")
def make_ref(request: Request, name: str, kind: str, revision: str) -> Any:
    repo = request.hub.repo(name, request.user, write=True)
    asked = request.json()
    refs, new = (repo.tags, asked["tag"]) if kind == "tag" else (repo.branches, revision)
    if new in refs:
        raise Refused(409, "", f"{kind} {new} already exists")
    target = revision if kind == "tag" else asked.get("startingPoint") or "main"
    refs[new] = request.hub.commit_of(repo, target).oid
    return {}


@route("DELETE", rf"/api/(?:{KINDS})/([^/]+/[^/]+)/(tag|branch)/([^/]+)")
def delete_ref(request: Request, name: str, kind: str, ref: str) -> Any:
    repo = request.hub.repo(name, request.user, write=True)
    if (repo.tags if kind == "tag" else repo.branches).pop(ref, None) is None:
        raise Refused(404, "RevisionNotFound")
    return {}


@route("GET", rf"/api/(?:{KINDS})/([^/]+/[^/]+)/refs")
def refs(request: Request, name: str) -> Any:
    repo = request.hub.repo(name, request.user)
    branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": oid} for n, oid in repo.branches.items()]
    tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": oid} for n, oid in repo.tags.items()]
    return {"branches": branches, "tags": tags, "converts": [], "pullRequests": []}


@route("GET", rf"/api/(?:{KINDS})/([^/]+/[^/]+)/commits/([^/]+)")
def commits(request: Request, name: str, revision: str) -> Any:
    repo = request.hub.repo(name, request.user)
    return [
        {"id": c.oid, "title": c.title, "message": c.message, "date": "2026-01-01T00:00:00.000Z", "authors": []}
        for c in repo.history(request.hub.commit_of(repo, revision).oid)
    ]


@route("GET", rf"/api/(?:{KINDS})/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?")
def tree(request: Request, name: str, revision: str, folder: str | None) -> Any:
    files = readable_commit(request, name, revision).files
    prefix = f"{folder.rstrip('/')}/" if folder else ""
    below = {path: blob for path, blob in files.items() if path.startswith(prefix)}
    if folder and not below:
        raise Refused(404, "EntryNotFound", f"{folder} does not exist")
    if request.query.get("recursive", ["false"])[0].lower() in ("true", "1"):
        parents = {"/".join(path.split("/")[:n]) for path in below for n in range(1, path.count("/") + 1)}
        folders = [parent for parent in sorted(parents) if parent.startswith(prefix) and parent != folder]
        entries = [blob.entry(path) for path, blob in sorted(below.items())]
    else:
        folders = sorted({prefix + path[len(prefix) :].split("/")[0] for path in below if "/" in path[len(prefix) :]})
        entries = [blob.entry(path) for path, blob in sorted(below.items()) if "/" not in path[len(prefix) :]]
    return [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in folders] + entries


@route("POST", rf"/api/(?:{KINDS})/([^/]+/[^/]+)/paths-info/([^/]+)")
def paths_info(request: Request, name: str, revision: str) -> Any:
    files = readable_commit(request, name, revision).files
    text = request.body.decode()
    paths = json.loads(text)["paths"] if text.startswith("{") else parse_qs(text).get("paths", [])
    found = []
    for path in [paths] if isinstance(paths, str) else paths:
        if path in files:
            found.append(files[path].entry(path))
        elif any(other.startswith(f"{path.rstrip('/')}/") for other in files):
            found.append({"type": "directory", "oid": "0" * 40, "size": 0, "path": path})
    return found


@route("HEAD|GET", r"/(?:datasets/|spaces/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
def resolve(request: Request, name: str, revision: str, path: str) -> Any:
    found = readable_commit(request, name, revision)
    if path not in found.files:
        raise Refused(404, "EntryNotFound", "Entry not found")
    blob = found.files[path]
    etag = blob.sha256 if blob.lfs else blob.oid
    headers = {"X-Repo-Commit": found.oid, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
    if blob.lfs:
        headers |= {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(len(blob.data))}
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or "")
    if wanted is None:
        return 200, headers, blob.data
    start, end = int(wanted[1]), min(int(wanted[2] or len(blob.data) - 1), len(blob.data) - 1)
    headers["Content-Range"] = f"bytes {start}-{end}/{len(blob.data)}"
    return 206, headers, blob.data[start : end + 1]


def readable_commit(request: Request, name: str, revision: str) -> Commit:
    """The commit, for a user whom the gate lets through."""
    repo = request.hub.repo(name, request.user)
    if repo.gated and request.user != repo.owner and request.user not in repo.readers:
        raise Refused(401 if request.user is None else 403, "GatedRepo", "Access to this dataset is restricted")
    return request.hub.commit_of(repo, revision)


def _handler(hub: LoopbackHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every answer with a body waits 40 ms

        def log_message(self, *_: object) -> None:
            pass

        def serve(self) -> None:
            url = urlsplit(self.path)
            path = unquote(url.path)
            with hub.lock:
                hub.requests.append((self.command, path))
                fault = next(
                    (f for f in hub.faults if f.times and f.method == self.command and re.search(f.path, path)), None
                )
                if fault is not None:
                    fault.times -= 1
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = self.chunks()
            if fault is not None and not fault.after and self.fail(fault):
                return
            answer = self.answer(url.query, path, body)
            if fault is not None and fault.after and self.fail(fault):
                return
            self.send(*answer)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = serve  # noqa: N815 (http.server looks them up)

        def chunks(self) -> bytes:
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data

        def fail(self, fault: Fault) -> bool:
            """Do what the fault says; True where the request ends with it."""
            fault.reached.set()
            if fault.action == "hang":
                fault.release.wait(60)
                if not fault.forgotten:
                    return False
            if fault.action in ("drop", "hang"):
                self.close_connection = True
                self.connection.shutdown(2)
                return True
            self.send(int(fault.action), fault.headers, b'{"error":"injected"}')
            return True

        def answer(self, query: str, path: str, body: bytes) -> Answer:
            try:
                with hub.lock:
                    return self.routed(query, path, body)
            except Refused as refused:
                headers = {"X-Error-Message": refused.message}
                if refused.code:
                    headers["X-Error-Code"] = refused.code
                return refused.status, headers, json.dumps(refused.body).encode()

        def routed(self, query: str, path: str, body: bytes) -> Answer:
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip()
            if token and token not in hub.users:
                raise Refused(401, "", "Invalid credentials in Authorization header")
            request = Request(hub, hub.users.get(token), parse_qs(query), self.headers, body)
            for method, pattern, function in ROUTES:
                match = pattern.fullmatch(path) if self.command in method.split("|") else None
                if match is not None:
                    result = function(request, *match.groups())
                    return result if isinstance(result, tuple) else (200, {}, json.dumps(result).encode())
            raise Refused(404, "EntryNotFound", f"the loopback Hub has no route for {self.command} {path}")

        def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                if not any(name.lower() == "content-type" for name in headers):
                    self.send_header("Content-Type", "application/json")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):  # the client was killed, as a test wanted
                self.close_connection = True

    return Handler


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """Wait until `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
