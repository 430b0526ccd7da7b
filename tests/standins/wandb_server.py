"""A W&B server on loopback, as far as W&B's client asks for one: GraphQL, file stream, uploads.

It keeps what it is told, so that tests can look at it, and can be made to fail: to answer nothing
to a run's rows (``released``), or to break every connection (``broken``).
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

_THEN = "2026-01-01T00:00:00Z"


@dataclass
class Artifact:
    """An artifact, as far as it came."""

    id: str
    type: str
    committed: bool = False


@dataclass
class WandbServer:
    """What a server was told, by run id, and how it behaves."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    """Names of GraphQL operations, in order."""
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Variables of the last ``UpsertBucket`` of each run: name, group, tags, config."""
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Logged rows of each run."""
    summary: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    """Path to content of uploaded files."""
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    """By name."""
    views: list[dict[str, Any]] = field(default_factory=list)
    """Saved workspaces and reports, as they were told."""
    exit_codes: dict[str, int] = field(default_factory=dict)
    """Of runs whose file stream was completed."""
    dies_after: str = ""
    """GraphQL operation after whose first answer the server is ``broken``."""
    broken: bool = False
    """Every connection is closed without an answer."""
    released: threading.Event = field(default_factory=threading.Event)
    """Cleared: requests to the file stream get no answer until it is set."""

    def environment(self) -> dict[str, str]:
        """What W&B's client is to find in the environment."""
        return {"WANDB_MODE": "online", "WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": self.url}

    def graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The answer to an operation; an empty object where the client needs none."""
        name = (
            query.split("(", maxsplit=1)[0].split("{", maxsplit=1)[0].rsplit(maxsplit=1)[-1]
            if query.split()
            else ""
        )
        self.asked.append(name)
        if "upsertBucket" in query:
            run_id = str(variables.get("name"))
            known = {key: value for key, value in variables.items() if value is not None}
            self.runs.setdefault(run_id, {}).update(known)
            project = {"name": variables.get("project"), "entity": {"name": "team"}}
            bucket = {
                "id": run_id, "name": run_id, "displayName": variables.get("displayName"),
                "description": None, "config": "{}", "sweepName": None, "project": project,
                "historyLineCount": 0,
            }  # fmt: skip
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "createRunFiles" in query:
            files = [
                {"name": each, "uploadUrl": f"{self.url}/upload/{variables['run']}/{each}"}
                for each in variables["files"]
            ]
            told = {"runID": variables["run"], "uploadHeaders": [], "files": files}
            return {"createRunFiles": told}
        for answer in (self._resume, self._artifact, self._view):
            if (told := answer(query, variables)) is not None:
                return told
        if "viewer" in query:
            viewer = {"id": "1", "entity": "team", "username": "tester", "email": "", "flags": "{}"}
            return {"viewer": {**viewer, "teams": {"edges": []}}}
        if "serverInfo" in query:
            return {"serverInfo": {"features": []}}
        return {"model": None, "project": None, "entity": None}

    def _resume(self, query: str, variables: dict[str, Any]) -> dict[str, Any] | None:
        """What a run that goes on wants to know of what is there."""
        if "RunResumeStatus" not in query:
            return None
        rows = self.history.get(variables["name"])
        bucket = rows and {
            "id": variables["name"], "name": variables["name"], "displayName": None, "tags": [],
            "summaryMetrics": json.dumps({**rows[-1], **self.summary.get(variables["name"], {})}),
            "logLineCount": 0, "historyLineCount": len(rows), "eventsLineCount": 0,
            "historyTail": json.dumps([json.dumps(rows[-1])]), "eventsTail": "[]",
            "config": "{}", "notes": None, "wandbConfig": json.dumps({"t": 1}),
        }  # fmt: skip
        entity = {"id": "1", "name": "team"}
        return {"model": {"id": "1", "name": "mtsweep", "entity": entity, "bucket": bucket or None}}

    def _artifact(self, query: str, variables: dict[str, Any]) -> dict[str, Any] | None:
        """The steps in which an artifact comes: itself, its manifest, its files, the end."""
        if "createArtifact(" in query:
            told = variables["input"]
            [name] = told.get("artifactCollectionNames") or [told["artifactCollectionName"]]
            made = Artifact(f"a{len(self.artifacts)}", told["artifactTypeName"])
            made = self.artifacts.setdefault(name, made)
            state = {"state": "PENDING", "artifactSequence": {"id": "1", "latestArtifact": None}}
            return {"createArtifact": {"artifact": {"id": made.id, **state}}}
        if "ArtifactManifest(" in query:
            operation = query.partition("(input")[0].rpartition("{")[2].strip()
            made = variables.get("artifactID") or variables["artifactManifestID"]
            file = {"id": "1", "uploadHeaders": []}
            file["uploadUrl"] = f"{self.url}/artifact/{made}/wandb_manifest.json"
            return {operation: {"artifactManifest": {"id": made, "file": file}}}
        if "createArtifactFiles(" in query:
            nodes = [
                {
                    "storagePath": each["name"], "artifact": {"id": each["artifactID"]},
                    "uploadUrl": f"{self.url}/artifact/{each['artifactID']}/{each['name']}",
                    "uploadHeaders": [], "uploadMultipartUrls": None,
                }
                for each in variables["input"]["artifactFiles"]
            ]  # fmt: skip
            edges = [{"node": node} for node in nodes]
            return {"createArtifactFiles": {"files": {"edges": edges}}}
        if "commitArtifact(" in query:
            for each in self.artifacts.values():
                each.committed |= each.id == variables["artifactID"]
            return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": "d"}}}
        return None

    def _view(self, query: str, variables: dict[str, Any]) -> dict[str, Any] | None:
        """A workspace or a report is saved; one that has an id already is saved over."""
        if "ProjectInternalId" in query:
            return {"project": {"id": "1", "internalId": "1"}}
        if "GetProjects" in query:
            project = {"id": "1", "name": "mtsweep", "entityName": "team", "user": None,
                       "createdAt": _THEN, "isBenchmark": False}  # fmt: skip
            page = {"endCursor": None, "hasNextPage": False}
            return {"models": {"edges": [{"node": project}], "pageInfo": page}}
        if "upsertView(" not in query:
            return None
        known = [each for each in self.views if each["id"] == variables.get("id")]
        view = known[0] if known else {}
        view.update({**variables, "id": variables.get("id") or f"v{len(self.views)}"})
        if not known:
            self.views.append(view)
        project = {"id": "1", "name": variables["projectName"], "entityName": "team"}
        return {
            "upsertView": {
                "view": {**view, "project": project, "updatedAt": _THEN},
                "inserted": not known,
            }
        }

    def of_artifact(self, name: str) -> dict[str, bytes]:
        """Files of an artifact, by the names that its manifest gives them."""
        place = f"/artifact/{self.artifacts[name].id}/"
        manifest = json.loads(self.uploads[f"{place}wandb_manifest.json"])
        return {path: self.uploads[place + path] for path in manifest["contents"]}

    def stream(self, run_id: str, told: dict[str, Any]) -> None:
        """A piece of a run's file stream."""
        for name, chunk in (told.get("files") or {}).items():
            rows = [json.loads(line) for line in chunk["content"] if line.startswith("{")]
            if "history" in name:
                self.history.setdefault(run_id, []).extend(rows)
            elif "summary" in name and rows:
                self.summary[run_id] = rows[-1]
        if told.get("complete"):
            self.exit_codes[run_id] = int(told.get("exitcode") or 0)


@contextlib.contextmanager
def talked_to(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    """A server that the W&B client of this process talks to."""
    from mtsweep.tracking import weights_biases

    monkeypatch.setattr(weights_biases, "_away", set())
    # A service that is there already knows the environment of its start.
    weights_biases._tear_down()
    with wandb_server() as made:
        for name, value in made.environment().items():
            monkeypatch.setenv(name, value)
        yield made
    weights_biases._tear_down()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing to print."""


@contextlib.contextmanager
def wandb_server() -> Iterator[WandbServer]:
    """A server on a free port of loopback, as long as the block lasts."""
    server = WandbServer()
    server.released.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if server.broken:
                self.close_connection = True
                return
            if self.path == "/graphql":
                asked = json.loads(body)
                data = server.graphql(asked["query"], asked.get("variables") or {})
                self._answer({"data": data})
                server.broken = server.dies_after in server.asked
            elif self.path.endswith("/file_stream"):
                server.released.wait()
                server.stream(self.path.split("/")[-2], json.loads(body))
                self._answer({})
            else:
                self._answer({})

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.uploads[unquote(self.path)] = body
            self._answer({})

        def do_GET(self) -> None:
            self._answer({})

        def _answer(self, told: dict[str, Any]) -> None:
            body = json.dumps(told).encode()
            with contextlib.suppress(OSError):  # the client went away
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    http = _Server(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        http.shutdown()
        http.server_close()
        thread.join()
