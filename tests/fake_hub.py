"""A Hub on this machine: as much of its interface as uploading and downloading a repository needs."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class FakeHub(ThreadingHTTPServer):
    """repositories: name to path to content; made: what was asked for when a repository was made.

    Whoever comes with `token` is the user `me` and writes to repositories of that name.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.made: list[dict[str, Any]] = []
        self.commits: list[dict[str, Any]] = []
        self.wrong_card: str | None = None  # what is found wrong with the next cards
        self.unknown: list[str] = []
        self.token = "hf_right"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def revision(self, name: str) -> str:
        """A commit's hash, that of the content."""
        files = self.repositories[name]
        return hashlib.sha1(b"".join(key.encode() + files[key] for key in sorted(files))).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeHub

    def log_message(self, *_: Any) -> None:
        pass

    def reply(self, content: Any, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        match parts:
            case ["api", "datasets", owner, name, "paths-info", _] if self.has(f"{owner}/{name}"):
                files, wanted = self.server.repositories[f"{owner}/{name}"], parse_qs(body.decode())["paths"]
                return self.reply([self.entry(path, files[path]) for path in wanted if path in files])
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self.reply({"error": "Invalid credentials"}, 401)
        match parts:
            case ["api", "repos", "create"]:
                self.make(json.loads(body))
            case ["api", "validate-yaml"]:
                wrong = self.server.wrong_card
                errors = [{"message": wrong}] if wrong else []
                self.reply({"errors": errors, "warnings": []}, 400 if errors else 200)
            case ["api", _, _, _, "preupload", _]:
                way = {"uploadMode": "regular", "shouldIgnore": False, "oid": None}  # never that of git-lfs
                self.reply({"files": [way | {"path": file["path"]} for file in json.loads(body)["files"]]})
            case ["api", _, owner, name, "commit", _]:
                self.commit(f"{owner}/{name}", [json.loads(line) for line in body.splitlines()])
            case _:
                self.lost()

    def do_GET(self) -> None:
        match unquote(urlsplit(self.path).path).strip("/").removeprefix("datasets/").split("/"):
            case ["api", "whoami-v2"]:
                self.reply({"type": "user", "name": "me", "orgs": []})
            case ["api", "models" | "datasets", owner, name, *rest] if self.has(f"{owner}/{name}"):
                files = self.server.repositories[f"{owner}/{name}"]
                if rest[:1] == ["tree"]:
                    self.reply(self.tree(files, "/".join([*rest[2:], ""]), "recursive=false" in self.path.lower()))
                else:
                    facts = {"sha": self.server.revision(f"{owner}/{name}"), "private": False, "tags": []}
                    self.reply(facts | {"id": f"{owner}/{name}", "siblings": [{"rfilename": path} for path in files]})
            case [owner, name, "resolve", _, *path] if self.has(f"{owner}/{name}"):
                content = self.server.repositories[f"{owner}/{name}"].get("/".join(path))
                if content is None:
                    return self.reply({"error": "Entry not found"}, 404, X_Error_Code="EntryNotFound")
                commit = self.server.revision(f"{owner}/{name}")
                etag = f'"{hashlib.sha256(content).hexdigest()}"'
                start, _, end = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
                part = content[int(start) : int(end) + 1 if end else None] if start else content
                self.reply(part, 206 if start else 200, X_Repo_Commit=commit, ETag=etag)
            case _:
                self.lost()

    do_HEAD = do_GET

    def make(self, wanted: dict[str, Any]) -> None:
        owner = wanted.get("organization") or "me"
        name = f"{owner}/{wanted['name']}"
        if owner != "me":
            return self.reply({"error": f"You don't have the rights to create a model under {owner}"}, 403)
        self.server.made.append(wanted)
        status = 409 if self.has(name) else 200
        self.server.repositories.setdefault(name, {})
        where = f"{self.server.address}/{'spaces/' if wanted.get('type') == 'space' else ''}{name}"
        self.reply({"url": where, "name": name}, status)

    def commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        files = self.server.repositories[name]
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.server.commits.append(value)
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
        sha = self.server.revision(name)
        self.reply({"commitUrl": f"{self.server.address}/{name}/commit/{sha}", "commitOid": sha})

    def tree(self, files: dict[str, bytes], folder: str, flat: bool) -> list[dict[str, Any]]:
        """What is in a folder, `` or `name/`: all files below it, or with `flat` its own files and folders."""
        inside = [path for path in files if path.startswith(folder)]
        names = {folder + path.removeprefix(folder).split("/")[0] for path in inside} if flat else inside
        return [self.entry(path, files.get(path)) for path in names]

    def entry(self, path: str, content: bytes | None) -> dict[str, Any]:
        if content is None:
            return {"type": "directory", "path": path, "oid": "0"}
        return {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha256(content).hexdigest()}

    def has(self, name: str) -> bool:
        return name in self.server.repositories

    def lost(self) -> None:
        self.server.unknown.append(f"{self.command} {self.path}")
        self.reply({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")


@contextmanager
def serve() -> Iterator[FakeHub]:
    """The server, running."""
    hub = FakeHub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()
