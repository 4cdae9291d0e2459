"""A W&B server on this machine that takes what `wandb sync` uploads, as far as its client asks for it."""

import gzip
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class UploadedRun:
    """What arrived of a run: its description, and the lines of its history by their number."""

    described: dict[str, Any] = field(default_factory=dict)
    lines: dict[int, str] = field(default_factory=dict)

    @property
    def history(self) -> list[dict[str, Any]]:
        """The rows, in order."""
        return [json.loads(self.lines[number]) for number in sorted(self.lines)]


class Server(ThreadingHTTPServer):
    """Answers W&B's client, and remembers the runs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.runs: dict[str, UploadedRun] = {}

    @property
    def address(self) -> str:
        """Of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client closes connections that it no longer needs."""

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        """The answer to a GraphQL operation."""
        owner = {"id": "e", "name": "me"}
        if operation == "Viewer":
            return {"viewer": {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}}
        if operation == "RunResumeStatus":
            run = self.runs.get(asked["name"])
            project = {"id": "p", "name": "p", "internalId": "1", "entity": owner, "bucket": None}
            return {"model": {**project, "bucket": _resumed(asked["name"], run) if run and run.lines else None}}
        if operation == "UpsertBucket":
            name = asked.get("name") or asked.get("id")
            new, run = name not in self.runs, self.runs.setdefault(name, UploadedRun())
            run.described |= {key: value for key, value in asked.items() if value is not None}
            project = {"id": "p", "name": asked.get("project") or "p", "entity": owner}
            bucket = {"id": name, "name": name, "project": project, "historyLineCount": len(run.lines)}
            return {"upsertBucket": {"inserted": new, "bucket": bucket}}
        if operation == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.address}/{name}"} for name in asked["files"]]
            return {"createRunFiles": {"runID": asked["run"], "uploadHeaders": [], "files": files}}
        return {}


def _resumed(name: str, run: UploadedRun) -> dict[str, Any]:
    last = run.lines[max(run.lines)]
    counts = {"historyLineCount": len(run.lines), "eventsLineCount": 0, "logLineCount": 0}
    tails = {"historyTail": json.dumps([last]), "eventsTail": "[]", "summaryMetrics": last}
    return {"id": name, "name": name, **counts, **tails, "config": "{}", "tags": [], "wandbConfig": '{"t": 1}'}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""

    def do_POST(self) -> None:
        asked = json.loads(self._body() or b"{}")
        if self.path.endswith("/graphql"):
            found = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
            assert found is not None
            if "Artifact" in found[1]:
                self._reply({"data": None, "errors": [{"message": "no artifacts are kept here"}]})
            else:
                self._reply({"data": self.server.answer(found[1], asked.get("variables") or {})})
            return
        run = self.server.runs.setdefault(self.path.split("/")[-2], UploadedRun())
        rows = asked.get("files", {}).get("wandb-history.jsonl", {"offset": 0, "content": []})
        run.lines |= {rows["offset"] + number: line for number, line in enumerate(rows["content"])}
        self._reply({"exitcode": None, "limits": {}})

    def do_PUT(self) -> None:
        self._body()
        self._reply({})

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _reply(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def served() -> Iterator[Server]:
    """A server, for the time of a test."""
    with Server() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
