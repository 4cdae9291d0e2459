"""A web server on this machine, and IDX files written by hand."""

import gzip
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """serve(files) starts a server of `files` (name to content) and returns its base URL.

    With `cut_short`, each response promises one byte more than it sends; without `says_size` it does not say how many.
    With `ranges` it sends the part of a file that it is asked for, and adds the header of the request to `asked`. With
    `stop_after`, it sends no more of a file than that many bytes, and closes the connection or, if `silent`, does not.
    """
    servers = []
    over = threading.Event()

    def start(
        files: dict[str, bytes],
        *,
        cut_short: bool = False,
        says_size: bool = True,
        ranges: bool = False,
        asked: list[str] | None = None,
        stop_after: int | None = None,
        silent: bool = False,
    ) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = files.get(self.path.removeprefix("/"))
                wanted, begin = self.headers.get("Range", ""), 0
                if asked is not None:
                    asked.append(wanted)
                if content is None:
                    self.send_response(404)
                elif ranges and wanted:
                    begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
                else:
                    self.send_response(200)
                rest = (content or b"")[begin:]
                if says_size:
                    self.send_header("Content-Length", str(len(rest) + cut_short))
                self.end_headers()
                with suppress(OSError):  # the client has read enough
                    self.wfile.write(rest if stop_after is None else rest[: stop_after - begin])
                if silent:
                    over.wait()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/"

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield start
    over.set()
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def idx_bytes() -> Callable[[np.ndarray], bytes]:
    """The content of an IDX file, by the format's specification."""

    def encode(values: np.ndarray) -> bytes:
        header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
        return header + values.astype(np.uint8).tobytes()

    return encode


@pytest.fixture(scope="session")
def write_file() -> Callable[..., bytes]:
    """write_file(path, content) writes it, by gzip where the name ends in .gz, and returns the bytes written."""

    def write(path: Path, content: bytes) -> bytes:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = gzip.compress(content) if path.suffix == ".gz" else content
        path.write_bytes(data)
        return data

    return write
