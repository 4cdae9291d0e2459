"""Text, JSON and YAML files that are damaged, too large, or made to do harm."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.common import text_files
from app.common.errors import UserError
from app.common.text_files import read_bytes, read_json, read_text, read_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text("aä \n"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", min_size=1), inner, max_size=4),
    max_leaves=12,
)


def refusal(read: Callable[[Path], Any], content: bytes | str, tmp_path: Path) -> str:
    """The error message, which must be one printable line with the file's name."""
    path = tmp_path / "file"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    return message.removeprefix(str(path))


@given(plain)
def test_plain_values_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("plain") / "file"
    path.write_text(json.dumps(value))
    assert read_json(path) == value
    path.write_text(yaml.safe_dump(value))
    assert read_yaml(path) == value


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: 1\nb: \xff\n", ", line 2: not UTF-8 (invalid start byte); save it as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00", ", line 1: not UTF-8"),
        (b"a: \x1b[31m\n", r", line 1: has the control character \x1b; is it a text file?"),
        (b"a: 1\nb: \x00", r", line 2: has the control character \x00"),
    ],
)
@pytest.mark.parametrize("read", [read_text, read_json, read_yaml])
def test_what_is_no_text(read: Callable[[Path], Any], content: bytes, says: str, tmp_path: Path) -> None:
    assert refusal(read, content, tmp_path).startswith(says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a: [1, 2", ": not YAML (while parsing a flow sequence"),
        ("a: b: c", ": not YAML (mapping values are not allowed"),
        ("!!python/object/apply:os.system [ls]", ": not YAML (could not determine a constructor"),
        ("[" * 100_000, ": not YAML ("),  # more than 100 levels; libyaml may have refused before, in its own words
        ("[" * 101 + "]" * 101, ": not YAML (more than 100 levels)"),
        ("\n".join("  " * level + "a:" for level in range(200)), ": not YAML (more than 100 levels)"),
        (BOMB, ": not YAML (more than 100,000 values, counting what aliases stand for)"),
        ("&a [*a]", ": not YAML (the alias a stands for no complete value before it)"),
        ("2024-13-45", ": not YAML (month must be in 1..12)"),
        ("a: !!int x", ": not YAML (invalid literal for int()"),
        ("? [a]\n: b", ": not YAML (while constructing a mapping"),
        ("1" * 5_000, ": not YAML (Exceeds the limit"),
        ("a:\n  b: 0x" + "f" * 17, ": a.b is a number of more than 64 bits"),
        ("59:" * 5_000 + "59", ": a value is a number of more than 64 bits"),
        (r'experiment: "a\0b"', r": experiment has the control character \x00; remove it"),
        (r'"\e[31m": 1', r": a value has the control character \x1b; remove it"),
    ],
    ids=range(16),
)
def test_yaml_that_would_do_harm(content: str, says: str, tmp_path: Path) -> None:
    assert refusal(read_yaml, content, tmp_path).startswith(says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", ": not JSON (Expecting value"),
        ('{"a": 1', ": not JSON (Expecting ',' delimiter"),
        ("[" * 100_000, ": not JSON (maximum recursion depth exceeded"),
        ("[" * 102 + "]" * 102, ": more than 100 levels"),
        ("1" * 5_000, ": not JSON (Exceeds the limit"),
        ("[" + "9" * 4_000 + "]", ": a value is a number of more than 64 bits"),
        (r'{"a": {"b": ["\u0000"]}}', r": a.b has the control character \x00; remove it"),
        (r'["\ud800"]', r": a value has the control character \ud800; remove it"),
    ],
    ids=range(8),
)
def test_json_that_would_do_harm(content: str, says: str, tmp_path: Path) -> None:
    assert refusal(read_json, content, tmp_path).startswith(says)


def test_aliases_of_moderate_size_are_what_they_stand_for(tmp_path: Path) -> None:
    shared = [1, 2]
    (tmp_path / "file").write_text(yaml.safe_dump({"a": shared, "b": shared}))
    assert "*id001" in (tmp_path / "file").read_text()
    assert read_yaml(tmp_path / "file") == {"a": [1, 2], "b": [1, 2]}


def test_no_more_is_read_than_a_file_of_its_kind_can_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "LARGEST_NOTE", 100)
    assert refusal(read_json, " " * 101, tmp_path) == ": more than 100 bytes; is it the right file?"
    (tmp_path / "file").write_text("[]" + " " * 98)
    assert read_json(tmp_path / "file") == []
    with pytest.raises(UserError, match=r"/dev/zero: more than 4,096 bytes"):
        read_bytes(Path("/dev/zero"), 4_096)


@pytest.mark.parametrize("name", ["none", ".", "a\0b", "x" * 300])
def test_what_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read|not the name of a file") as caught:
        read_text(tmp_path / name)
    assert str(caught.value).isprintable()
