"""Reading a pickle as data: the same plain values as by the standard library, and no code is run."""

import copyreg
import io
import os
import pickle
import pickletools
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
from helpers.hostile import Calls, hostile_bytes, hostile_objects
from hypothesis import given
from hypothesis import strategies as st

from app.authors.inert_pickle import Global, Instance, read_pickle, shown
from app.common.errors import UserError

CALLS = {"collections.OrderedDict": dict, "builtins.set": list, "builtins.bytearray": bytearray}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300) | st.binary()
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=5)
    ),
    max_leaves=20,
)


def read(content: bytes, calls=CALLS, persistent=lambda saved: ("stored", saved)):
    return read_pickle(io.BytesIO(content), calls=calls, persistent=persistent, where="some.pt")


def refused(content: bytes) -> str:
    with pytest.raises(UserError) as caught:
        read(content)
    message = str(caught.value)
    assert message.startswith("some.pt: ")
    assert "\n" not in message
    return message


class Plain:
    """A class with attributes only."""


@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_those_of_the_standard_library(value, protocol):
    # Below protocol 3 bytes are written as calls.
    calls = CALLS | {"_codecs.encode": lambda text, encoding: text.encode(encoding), "builtins.bytes": bytes}
    assert read(pickle.dumps(value, protocol), calls) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_is_shared_stays_shared_and_what_holds_itself_does(protocol):
    inner = [1]
    loop = [inner, inner]
    loop.append((loop,))
    one, two, three = read(pickle.dumps(loop, protocol))
    assert one is two
    assert one == [1]
    assert three[0][2] is three


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_instances_are_told_apart_by_class_and_keep_their_attributes(protocol):
    plain = Plain()
    plain.size, plain.self = 3, plain
    plain.parts = OrderedDict(a={1, 2}, b=frozenset("x"))
    found = read(pickle.dumps([plain, Plain], protocol), CALLS | {"builtins.frozenset": list})
    assert isinstance(found[0], Instance)
    assert found[0].kind == f"{Plain.__module__}.Plain"
    assert found[0].state["self"] is found[0]
    assert found[0].state["size"] == 3
    assert {name: sorted(part) for name, part in found[0].state["parts"].items()} == {"a": [1, 2], "b": ["x"]}
    assert isinstance(found[1], Global)
    assert found[1].path == f"{Plain.__module__}.Plain"


class Words(list):
    pass


class Table(dict):
    pass


def test_contents_of_classes_derived_from_containers_are_passed_over():
    words, table = Words("ab"), Table(a=1)
    words.table = table
    found = read(pickle.dumps(words))
    assert found.kind.endswith("Words")
    assert found.state["table"].kind.endswith("Table")


def test_ids_of_what_is_stored_elsewhere_are_handed_on():
    class Stores(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", 7) if value == "big" else None

    content = io.BytesIO()
    Stores(content).dump(["small", "big"])
    assert read(content.getvalue()) == ["small", ("stored", ("storage", 7))]
    assert read(b"Pseven\n.") == ("stored", "seven")


def test_one_pickle_is_read_and_the_file_left_behind_it():
    file = io.BytesIO(pickle.dumps([1]) + pickle.dumps({"a": 2}) + b"rest")
    assert [read_pickle(file, calls={}, persistent=str, where="") for _ in range(2)] == [[1], {"a": 2}]
    assert file.read() == b"rest"


@pytest.mark.parametrize("name", hostile_objects(Path()))
@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_code_is_named_and_not_run(name, protocol, tmp_path):
    witness = tmp_path / "witness"
    content = pickle.dumps(hostile_objects(witness)[name], protocol)
    pickle.loads(content)
    assert witness.exists(), "this file does no harm when unpickled, so it would prove nothing"
    witness.unlink()
    assert "holds code: it asks to call " in refused(content)
    assert not witness.exists()


@pytest.mark.parametrize("name", hostile_bytes(Path()))
def test_code_is_not_run_by_any_operation(name, tmp_path):
    witness = tmp_path / "witness"
    content = hostile_bytes(witness)[name]
    pickle.loads(content)
    assert witness.exists(), "this file does no harm when unpickled, so it would prove nothing"
    witness.unlink()
    assert "holds code: it asks to call " in refused(content)
    assert not witness.exists()


def test_a_class_with_code_in_its_state_is_neither_imported_nor_set(tmp_path, monkeypatch):
    witness = tmp_path / "witness"
    (tmp_path / "trap.py").write_text(
        f"from pathlib import Path\nclass Trap:\n def __setstate__(self, state): Path({str(witness)!r}).touch()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    content = b"\x80\x02ctrap\nTrap\n)\x81}b."
    pickle.loads(content)
    assert witness.exists(), "this file does no harm when unpickled, so it would prove nothing"
    witness.unlink()
    del sys.modules["trap"]
    found = read(content)
    assert (found.kind, found.state) == ("trap.Trap", {})
    assert "trap" not in sys.modules
    assert not witness.exists()


def test_numbers_of_the_extension_registry_are_not_looked_up(tmp_path):
    copyreg.add_extension(os.system.__module__, "system", 77)
    try:
        content = pickle.dumps(Calls(os.system, f"touch {tmp_path / 'witness'}"), 2)
    finally:
        copyreg.remove_extension(os.system.__module__, "system", 77)
    assert any(opcode.name == "EXT1" for opcode, _, _ in pickletools.genops(content))
    assert "opcode EXT1" in refused(content)


def test_a_function_of_ours_is_found_by_its_path_alone():
    # posix.system under a name that is allowed as a path, however it is cut into module and name.
    assert read(b"ccollections\nOrderedDict\n)R.") == {}
    assert "asks to call collections.OrderedDict.update" in refused(b"ccollections\nOrderedDict.update\n)R.")
    assert "asks to call collections.abc.OrderedDict" in refused(b"ccollections.abc\nOrderedDict\n)R.")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "exhausted"),
        (b"once upon a time", "not a readable checkpoint"),
        (pickle.dumps([1, 2, 3])[:-1], "exhausted"),
        (b".", "pop from empty list"),
        (b"t.", "pop from empty list"),
        (b"h\x05.", "not a readable checkpoint"),
        (b"(NNNd.", "not a readable checkpoint"),
        (b"]}s.", "not a readable checkpoint"),
        (b"N)R.", "NoneType where a function is expected"),
        (b"N)\x81.", "NoneType where a function is expected"),
        (b"]}b.", "the state of a list is set"),
        (b"cm\nn\n}b.", "the state of a Global is set"),
        (b"}]Ns.", "unhashable"),
        (b"})Ns.", "a tuple as a key"),
        (b"Na.", "not a readable checkpoint"),
        (b"\x80\x04NN\x93.", "a name that is not text"),
        (b"ccollections\nOrderedDict\nN\x85R.", "not iterable"),
        (b"\x8e" + b"\xff" * 8 + b".", "not a readable checkpoint"),
        (b"S'\\h'\n", "exhausted"),
        (b"I" + b"9" * 5000 + b"\n.", "not a readable checkpoint"),
    ],
)
def test_what_is_no_pickle_gets_one_line(content, says):
    assert says in refused(content)


@given(st.lists(st.sampled_from([opcode.code.encode("latin-1") for opcode in pickletools.opcodes]), max_size=30))
def test_operations_in_any_order_are_data_or_refused(codes):
    try:
        read(b"".join(code + {b"c": b"os\nsystem\n", b"i": b"os\nsystem\n"}.get(code, b"") for code in codes) + b".")
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017 - data is right, too


def test_depth_does_no_harm():
    deep = 100_000
    nested = read(b"]" * deep + b"a" * (deep - 1) + b".")
    assert len(nested) == 1
    del nested
    assert "a tuple as a key" in refused(b"})" + b"\x85" * deep + b"Ns.")


def test_text_from_a_file_is_fit_for_a_terminal():
    assert shown("a.b\x1b[2J\n\u202e") == r"a.b\x1b[2J\n\u202e"
    assert len(shown("x" * 1000)) == 80
    assert r"os.a\x1b[2Jb" in refused(b"cos\na\x1b[2Jb\n)R.")
