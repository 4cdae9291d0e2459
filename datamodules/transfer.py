"""Transfers one file from a mirror that may send too much, too slowly, or something else."""

import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, SimpleQueue

PIECE = 1 << 14  # bytes
PARTIAL = 206  # HTTP's status of a part of a file
_MARKUP = (b"<!doctype html", b"<html", b"<head", b"<?xml")


class TransferError(Exception):
    """What a mirror sends is not the file; says why in a few words."""


class WrongContentError(TransferError):
    """What has arrived is something else."""


class Transfer:
    """The transfer of one file, by a thread: a mirror that sends a byte at a time keeps its reader waiting for ever.

    Args:
        url: of the file.
        path: where to save it.
        most: bytes that it can have.
        timeout: seconds to wait for the connection and between two bytes; twice as long for each piece of 16 KB.
        resume: the file has exactly `most` bytes, and those that are at `path` already are not asked for again, if the
            mirror can do so.

    Attributes:
        total: bytes of the file; 0 while the mirror has not said it.
    """

    def __init__(self, url: str, path: Path, *, most: int, timeout: float, resume: bool = False) -> None:
        self.total = 0
        self._url = url
        self._path = path
        self._most = most
        self._timeout = timeout
        self._resume = resume
        self._sum = hashlib.sha256()
        self._news = SimpleQueue[int | BaseException | None]()  # bytes received so far; at the end an error or None
        self._stopped = False
        self._writing = threading.Lock()
        threading.Thread(target=self._run, daemon=True).start()

    def wait(self) -> int | None:
        """Wait for the next piece, and return how many bytes have arrived; None when the file is complete.

        Raises:
            TransferError: it is too large, too slow or incomplete.
            OSError: the mirror cannot be reached or breaks off, or the file cannot be written.
        """
        try:
            news = self._news.get(timeout=2 * self._timeout)
        except Empty:
            raise TransferError(f"less than {PIECE >> 10} KB in {2 * self._timeout:g} s") from None
        if isinstance(news, BaseException):
            raise news
        return news

    def check(self, sha256: str | None) -> None:
        """Check the complete file.

        Args:
            sha256: hex checksum; None to check only that it is no page of HTML, as a portal sends for any address.

        Raises:
            TransferError: it is another one.
        """
        if sha256 is not None and self._sum.hexdigest() != sha256.lower():
            raise WrongContentError("wrong checksum")
        with open(self._path, "rb") as file:
            if file.read(PIECE).lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP):
                raise WrongContentError("a page of HTML")

    def stop(self) -> None:
        """Receive and write no more."""
        with self._writing:
            self._stopped = True

    def _run(self) -> None:
        try:
            self._receive()
            self._news.put(None)
        except BaseException as error:
            self._news.put(error)

    def _receive(self) -> None:
        import requests  # takes long, and most data is there already

        begun = self._read_begun() if self._resume else 0
        if self._resume and begun == self._most:
            return
        # Where a mirror compresses what it sends, its ranges are not those of the file.
        headers = {"Range": f"bytes={begun}-", "Accept-Encoding": "identity"} if self._resume else {}
        with requests.get(self._url, timeout=self._timeout, stream=True, headers=headers) as response:
            response.raise_for_status()
            length = int(response.headers.get("Content-Length", 0))
            if self._resume and not self._goes_on(response.status_code, response.headers, begun):
                begun, self._sum = 0, hashlib.sha256()
            self.total = begun + length if length else 0
            received = begun
            with self._writing:  # once it is stopped, another transfer may write there
                if self._stopped:
                    return
                if not begun:
                    self._path.write_bytes(b"")
            with open(self._path, "ab") as file:
                for piece in response.iter_content(PIECE):
                    received += len(piece)
                    if max(received, self.total) > self._most:
                        raise WrongContentError(f"more than {self._most:,} bytes")
                    with self._writing:
                        if self._stopped:
                            return
                        file.write(piece)
                        file.flush()
                    self._sum.update(piece)
                    self._news.put(received)
        if self._resume and received < self._most:
            raise TransferError(f"breaks off after {received:,} of {self._most:,} bytes")

    def _read_begun(self) -> int:
        """How many bytes are there already; none, if there are more than the file has."""
        begun = self._path.stat().st_size if self._path.exists() else 0
        if not 0 < begun <= self._most:
            return 0
        with open(self._path, "rb") as file:
            while piece := file.read(1 << 20):
                self._sum.update(piece)
        return begun

    def _goes_on(self, status: int, headers: Mapping[str, str], begun: int) -> bool:
        """Whether the answer is what is missing; False if it is the whole file."""
        if status != PARTIAL:
            length = int(headers.get("Content-Length", 0))
            if begun and length != self._most:  # a page of a portal must not take the place of what has arrived
                raise TransferError(f"{length:,} bytes, expected {self._most:,}" if length else "sends no size")
            return False
        found = headers.get("Content-Range", "")
        if found != f"bytes {begun}-{self._most - 1}/{self._most}":
            raise TransferError(f"another part of the file than was asked for ({found[:40]})")
        return True
