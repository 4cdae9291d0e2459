from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.common.errors import UserError
from datamodules.cifar_records import read_records


def encode(labels: list[int], seeds: list[int]) -> bytes:
    """Records whose pixels count upwards from a number: red, green, blue, row by row."""
    return b"".join(
        bytes([label]) + bytes((seed + i) % 256 for i in range(3072)) for label, seed in zip(labels, seeds, strict=True)
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 255)), min_size=1, max_size=4), st.integers(-3073, 3073))
def test_what_is_read_is_what_was_written_or_one_line_says_what_is_wrong(tmp_path: Path, images, cut):
    labels, seeds = [label for label, _ in images], [seed for _, seed in images]
    content = encode(labels, seeds)
    content = content[:cut] if cut < 0 else content + bytes(cut)
    path = tmp_path / "batch.bin"
    path.write_bytes(content)
    wrong = [row for row, label in enumerate(labels) if label > 9]
    if len(content) != 3073 * len(images) or wrong:
        with pytest.raises(UserError) as caught:
            read_records(path, len(images))
        (line,) = str(caught.value).splitlines()
        assert line.startswith(f"{path}: ")
        reason = (
            f"the label of record {wrong[0]} is {labels[wrong[0]]}," if len(content) == 3073 * len(images) else "has"
        )
        assert line.startswith(f"{path}: {reason}")
        return
    found = read_records(path, len(images))
    assert found.labels.tolist() == labels
    for pixels, seed in zip(found.pixels, seeds, strict=True):
        for colour, row, column in ((0, 0, 0), (0, 1, 0), (1, 0, 0), (2, 31, 31)):
            assert int(pixels[colour, row, column]) == (seed + 1024 * colour + 32 * row + column) % 256


def test_a_long_file_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "batch.bin"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match=r"has more than 6,146 bytes, expected 6,146: 2 records of 3,073"):
        read_records(path, 2)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match=r"batch.bin: cannot be read \(No such file"):
        read_records(tmp_path / "batch.bin", 1)
