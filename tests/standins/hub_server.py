"""A hub on loopback, as far as a push through huggingface_hub's own client asks for one.

Who am I, make a repository, look at it, validate a card, say how each file is to come, take large
files (LFS), take a commit. It keeps what it is told; ``refusals`` make it answer otherwise, and
``lay_out`` puts what it holds into a hub cache, as a download would.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "hf_" + "standin" * 5
OWNER = "tester"


@dataclass
class Repository:
    """One repository and its history."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    """Messages."""

    @property
    def sha(self) -> str:
        """Of the last commit."""
        told = f"{len(self.commits)} {sorted(self.files)}"
        return hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()


@dataclass
class HubServer:
    """What a server was told, and how it behaves."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request, in order."""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    """Large files by SHA-256."""
    refusals: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    """Part of a path to the status and the body that it is answered with."""
    role: str = "write"

    def environment(self) -> dict[str, str]:
        """What the client is to find in the environment."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": TOKEN,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
        }

    def lay_out(self, cache: Path) -> None:
        """Put every repository into a hub cache, each under its name."""
        for name, repository in self.repositories.items():
            folder = cache / f"models--{name.replace('/', '--')}"
            for file, content in repository.files.items():
                path = folder / "snapshots" / repository.sha / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            # What a client has looked for in vain it notes too; an adapter has no configuration.
            for file in {"config.json"} - set(repository.files):
                path = folder / ".no_exist" / repository.sha / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            (folder / "refs").mkdir(parents=True, exist_ok=True)
            (folder / "refs" / "main").write_text(repository.sha, encoding="utf-8")

    def answer(self, method: str, path: str, body: bytes, token: str) -> tuple[int, Any]:  # noqa: PLR0911
        """Status and JSON for a request."""
        self.asked.append((method, path))
        for part, refusal in self.refusals.items():
            if part in path:
                return refusal
        if path.startswith("/lfs/"):
            self.objects[path.removeprefix("/lfs/")] = body
            return 200, {}
        if token != TOKEN:
            return 401, {"error": "Invalid credentials"}
        if path == "/api/whoami-v2":
            access = {"displayName": "t", "role": self.role}
            return 200, {"name": OWNER, "type": "user", "orgs": [{"name": "team"}],
                         "auth": {"type": "access_token", "accessToken": access}}  # fmt: skip
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if found := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return 200, self._batch(json.loads(body))
        found = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(tree|preupload|commit)/main)?", path)
        repository = self.repositories.get(found[1]) if found else None
        if found is None or repository is None:
            return 404, {"error": "Repository not found"}
        return 200, self._of(found[1], repository, found[2], body)

    def _create(self, told: dict[str, Any]) -> tuple[int, Any]:
        name = f"{told['organization']}/{told['name']}"
        address = {"url": f"{self.url}/{name}", "name": name}
        if name in self.repositories:
            return 409, {**address, "error": "You already created this model repo"}
        private = told.get("visibility") == "private"
        self.repositories[name] = Repository(private, {".gitattributes": b""}, ["initial commit"])
        return 200, address

    def _batch(self, told: dict[str, Any]) -> dict[str, Any]:
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.url}/lfs/{each['oid']}"}}}
            for each in told["objects"]
        ]
        return {"transfer": "basic", "objects": objects}

    def _of(self, name: str, repository: Repository, what: str | None, body: bytes) -> Any:
        if what == "tree":
            return [
                {"type": "file", "path": path, "size": len(content), "oid": "0" * 40}
                for path, content in repository.files.items()
            ]
        if what == "preupload":
            return {"files": [
                {"path": each["path"], "shouldIgnore": False,
                 "uploadMode": "lfs" if each["path"].endswith(".safetensors") else "regular"}
                for each in json.loads(body)["files"]
            ]}  # fmt: skip
        if what == "commit":
            self._commit(repository, body)
            return {"commitUrl": f"{self.url}/{name}/commit/{repository.sha}",
                    "commitOid": repository.sha, "pullRequestUrl": None}  # fmt: skip
        return {"id": name, "modelId": name, "sha": repository.sha, "private": repository.private,
                "tags": [], "siblings": [], "downloads": 0, "likes": 0}  # fmt: skip

    def _commit(self, repository: Repository, body: bytes) -> None:
        for line in map(json.loads, body.splitlines()):
            told = line["value"]
            if line["key"] == "header":
                repository.commits.append(told["summary"])
            elif line["key"] == "file":
                repository.files[told["path"]] = base64.b64decode(told["content"])
            elif line["key"] == "lfsFile":
                repository.files[told["path"]] = self.objects[told["oid"]]
            elif line["key"] == "deletedFile":
                repository.files.pop(told["path"])


@contextlib.contextmanager
def hub_server() -> Iterator[HubServer]:
    """A server on a free port of loopback, as long as the block lasts."""
    server = HubServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            path = self.path.partition("?")[0]
            status, told = server.answer(self.command, path, body, token)
            answer = json.dumps(told).encode()
            with contextlib.suppress(OSError):  # the client went away
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                if status == 404:
                    self.send_header("X-Error-Code", "RepoNotFound")
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else answer)

        do_GET = do_POST = do_PUT = do_HEAD = _do  # noqa: N815 - what the base class calls

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.block_on_close = False
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
