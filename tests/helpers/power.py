"""A disk that loses power: what is left of a directory is what was synchronised, and nothing else."""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock


class Disk:
    """Records what `os.fsync` puts on the disk below a directory.

    A file has the content that it had when it was synchronised last, and none if it never was. A name is there if its
    directory was synchronised after the name was given.

    Args:
        root: the directory; it is on the disk.
        spare: a directory elsewhere on the same file system, for the numbers of files not to be used again.
        lost: called after every step with the number of the step, which the disk then calls `leave` for.
    """

    def __init__(self, root: Path, spare: Path, lost: Callable[[int], None]) -> None:
        self.root, self.spare, self.lost = root, spare, lost
        self.steps = 0
        self._contents: dict[int, bytes] = {}
        self._names: dict[str, dict[str, tuple[int, bool]]] = {}
        spare.mkdir()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Within, every synchronisation, renaming and deletion is a step."""
        with mock.patch.multiple(
            os,
            fsync=self._then(os.fsync, before=self._synchronise),
            replace=self._then(os.replace),
            unlink=self._then(os.unlink),
        ):
            yield

    def leave(self, target: Path) -> None:
        """Make a directory of what is on the disk now."""
        self._leave(str(self.root), target)

    def _leave(self, directory: str, target: Path) -> None:
        target.mkdir()
        for name, (number, is_directory) in self._names.get(directory, {}).items():
            if is_directory:
                self._leave(os.path.join(directory, name), target / name)
            else:
                (target / name).write_bytes(self._contents.get(number, b""))

    def _then(self, call: Callable[..., None], before: Callable[[int], None] | None = None) -> Callable[..., None]:
        def step(*arguments: object, **options: object) -> None:
            call(*arguments, **options)
            if before is not None:
                before(arguments[0])  # type: ignore[arg-type]
            self.steps += 1
            self.lost(self.steps)

        return step

    def _synchronise(self, descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(path) as entries:
                self._names[path] = {each.name: (each.inode(), each.is_dir()) for each in entries}
            return
        with open(path, "rb") as file:
            self._contents[status.st_ino] = file.read()
        if not (self.spare / str(status.st_ino)).exists():
            os.link(path, self.spare / str(status.st_ino))
