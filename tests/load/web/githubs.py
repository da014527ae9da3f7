"""A server on this machine that plays GitHub's API of contents, and serves plain files beside it."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


class GitHub(ThreadingHTTPServer):
    """``files``: path in the repository acme/runtimes -> text; ``token``: what requests have to bring, if any."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.files: dict[str, str] = {}
        self.token = ""
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.moved: dict[str, str] = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        github, parts = self.server, urlsplit(self.path)
        github.asked.append(self.path)
        github.tokens.append(self.headers["Authorization"])
        if github.token and self.headers["Authorization"] != github.token:
            return self.send_error(404 if parts.path.startswith("/repos") else 401)
        if parts.path in github.moved:
            self.send_response(302)
            self.send_header("Location", github.moved[parts.path])
            return self.end_headers()
        prefix = "/repos/acme/runtimes/contents"
        if parts.path.startswith(prefix):
            revision = parse_qs(parts.query).get("ref", ["main"])[0]
            path = parts.path.removeprefix(prefix).strip("/")
            return self.contents(path) if revision in ("main", "v1", "release/1") else self.send_error(404)
        text = github.files.get(parts.path.strip("/"))
        return self.send_error(404) if text is None else self.give(text.encode())

    def contents(self, path: str) -> None:
        files = self.server.files
        if path in files:
            raw = files[path].encode()
            if "raw" in self.headers["Accept"]:
                return self.give(raw)
            content = base64.encodebytes(raw).decode()
            return self.give(json.dumps({**entry(path, raw), "encoding": "base64", "content": content}).encode())
        below = {name.removeprefix(f"{path}/" if path else "") for name in files if name.startswith(path)}
        names = sorted({name.partition("/")[0] for name in below})
        if not names:
            return self.send_error(404)
        listed = []
        for name in names:
            whole = f"{path}/{name}".strip("/")
            found = files.get(whole)
            listed.append({"name": name, "type": "dir"} if found is None else entry(whole, found.encode()))
        return self.give(json.dumps(listed).encode())

    def give(self, body: bytes) -> None:
        tag = f'"{hashlib.sha256(body).hexdigest()}"'
        same = self.headers["If-None-Match"] == tag
        self.send_response(304 if same else 200)
        self.send_header("ETag", tag)
        self.end_headers()
        if not same:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def entry(path: str, raw: bytes) -> dict[str, str]:
    return {"name": path.rpartition("/")[2], "type": "file", "path": path, "sha": hashlib.sha256(raw).hexdigest()}


@contextmanager
def playing() -> Iterator[GitHub]:
    """A server for as long as this lasts; it stops when the test says so, too: `GitHub.shutdown`, `server_close`."""
    with GitHub() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
