"""Unpacks the files of an archive that are wanted, and nothing else."""

import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from app.common.errors import UserError
from app.common.files import replacing

_PIECE = 1 << 20  # bytes


def unpack_files(archive: Path, wanted: Mapping[str, Path], size: int) -> None:
    """Unpack some files of a tar archive that is compressed with gzip; each appears complete, or not at all.

    Whatever else the archive has stays in it: other names, links, devices, files of another size.

    Args:
        archive: the archive.
        wanted: names in the archive, and where each file is put.
        size: bytes of each of the files.

    Raises:
        UserError: one of them is not in the archive as a regular file of this size, or the archive is damaged.
        OSError: a file cannot be written.
    """
    missing = dict(wanted)
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                if member.name not in missing or not member.isreg() or member.issparse() or member.size != size:
                    continue
                source = tar.extractfile(member)
                assert source is not None
                with replacing(missing.pop(member.name)) as temporary, open(temporary, "xb") as target:
                    while piece := source.read(_PIECE):
                        target.write(piece)
                if not missing:
                    return
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise UserError(f"{archive}: damaged archive ({error}); download it again") from None
    if missing:
        raise UserError(
            f"{archive}: has no file {next(iter(missing))} of {size:,} bytes; put the original archive in its place"
        )
