import io
import tarfile
from pathlib import Path

import pytest

from app.common.errors import UserError
from datamodules.archive import unpack_files

SIZE = 1000


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def pack(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def content(letter: str) -> bytes:
    return letter.encode() * SIZE


def test_wanted_files_are_unpacked_and_nothing_else(tmp_path):
    archive = pack(
        tmp_path / "a.tar.gz",
        member("batches", type=tarfile.DIRTYPE),
        member("batches/readme.html", b"<html>"),
        member("batches/one.bin", content("1")),
        member("../../etc/two.bin", content("x")),
        member("batches/two.bin", content("2")),
        member("batches/three.bin", content("3")),
    )
    folder = tmp_path / "to" / "here"
    unpack_files(archive, {f"batches/{name}": folder / name for name in ("two.bin", "one.bin")}, SIZE)
    found = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    del found["a.tar.gz"]
    assert found == {"to/here/one.bin": content("1"), "to/here/two.bin": content("2")}


@pytest.mark.parametrize(
    "instead",
    [
        member("one.bin", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("one.bin", type=tarfile.LNKTYPE, linkname="two.bin"),
        member("one.bin", type=tarfile.FIFOTYPE),
        member("one.bin", type=tarfile.DIRTYPE),
        member("one.bin", bytes(SIZE + 1)),
        member("one.bin", bytes(SIZE - 1)),
        member("./other/one.bin", bytes(SIZE)),
    ],
    ids=["symlink", "link", "fifo", "folder", "longer", "shorter", "elsewhere"],
)
def test_what_only_has_the_name_is_refused(instead, tmp_path):
    archive = pack(tmp_path / "a.tar.gz", member("two.bin", content("2")), instead)
    with pytest.raises(UserError, match=r"a\.tar\.gz: has no file one\.bin of 1,000 bytes; put the original"):
        unpack_files(archive, {"one.bin": tmp_path / "out" / "one.bin"}, SIZE)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", ["cut", "changed", "none"])
def test_a_damaged_archive_is_said_and_leaves_no_half_file(damage, tmp_path):
    import random

    archive = pack(tmp_path / "a.tar.gz", member("one.bin", random.Random(0).randbytes(1 << 18)))
    packed = bytearray(archive.read_bytes())
    spoilt = {"cut": packed[: len(packed) // 2], "changed": packed[:100] + b"x" * 50 + packed[150:], "none": b"text"}
    archive.write_bytes(spoilt[damage])
    with pytest.raises(UserError, match=r"a\.tar\.gz: (damaged archive \(.*\); download it again|has no file)"):
        unpack_files(archive, {"one.bin": tmp_path / "out" / "one.bin"}, 1 << 18)
    assert list((tmp_path / "out").glob("*")) == []
