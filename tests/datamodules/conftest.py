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
    """
    servers = []

    def start(files: dict[str, bytes], *, cut_short: bool = False, says_size: bool = True) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = files.get(self.path.removeprefix("/"))
                self.send_response(404 if content is None else 200)
                if says_size:
                    self.send_header("Content-Length", str(len(content or b"") + cut_short))
                self.end_headers()
                with suppress(OSError):  # the client has read enough
                    self.wfile.write(content or b"")

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
