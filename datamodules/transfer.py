"""Transfers one file from a mirror that may send too much, too slowly, or something else."""

import hashlib
import threading
from pathlib import Path
from queue import Empty, SimpleQueue

PIECE = 1 << 14  # bytes
_MARKUP = (b"<!doctype html", b"<html", b"<head", b"<?xml")


class TransferError(Exception):
    """What a mirror sends is not the file; says why in a few words."""


class Transfer:
    """The transfer of one file, by a thread: a mirror that sends a byte at a time keeps its reader waiting for ever.

    Args:
        url: of the file.
        path: where to save it.
        most: bytes that it can have.
        timeout: seconds to wait for the connection and between two bytes; twice as long for each piece of 16 KB.

    Attributes:
        total: bytes of the file; 0 while the mirror has not said it.
    """

    def __init__(self, url: str, path: Path, *, most: int, timeout: float) -> None:
        self.total = 0
        self._url = url
        self._path = path
        self._most = most
        self._timeout = timeout
        self._sum = hashlib.sha256()
        self._news = SimpleQueue[int | BaseException | None]()  # bytes received so far; at the end an error or None
        self._stopped = False
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
            raise TransferError("wrong checksum")
        with open(self._path, "rb") as file:
            if file.read(PIECE).lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP):
                raise TransferError("a page of HTML")

    def stop(self) -> None:
        """Receive no more."""
        self._stopped = True

    def _run(self) -> None:
        try:
            self._receive()
            self._news.put(None)
        except BaseException as error:
            self._news.put(error)

    def _receive(self) -> None:
        import requests  # takes long, and most data is there already

        received = 0
        with requests.get(self._url, timeout=self._timeout, stream=True) as response, open(self._path, "wb") as file:
            response.raise_for_status()
            self.total = int(response.headers.get("Content-Length", 0))
            for piece in response.iter_content(PIECE):
                received += len(piece)
                if max(received, self.total) > self._most:
                    raise TransferError(f"more than {self._most:,} bytes")
                if self._stopped:
                    return
                self._sum.update(piece)
                file.write(piece)
                self._news.put(received)
