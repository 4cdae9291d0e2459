"""The file of a ticket: what is written comes back, and a damaged file is refused or reads the same."""

import hashlib
import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from helpers.tiny import same
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from app.common.errors import UserError
from app.common.states import digest
from app.runs.tensors import load_tensors, load_ticket_file, save_masked, save_masks
from app.runs.ticket_file import Ticket, pack

shapes = st.lists(st.integers(0, 5), min_size=1, max_size=3).map(tuple)
dtypes = st.sampled_from([torch.float32, torch.float64, torch.bfloat16])


@st.composite
def tickets(draw: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Masks, and a state that they mask."""
    random = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    masks, state = {}, {}
    for number, (shape, dtype) in enumerate(draw(st.lists(st.tuples(shapes, dtypes), max_size=4))):
        name = f"layer.{number}.é"
        state[name] = torch.randn(shape, generator=random).to(dtype)
        if draw(st.booleans()):
            masks[name] = torch.rand(shape, generator=random) < draw(st.sampled_from([0.0, 0.1, 0.7, 1.0]))
            state[name] = state[name].where(masks[name], 0)
    return masks, state | {"counter": torch.tensor(7)}


@settings(max_examples=60)
@given(tickets())
def test_a_ticket_comes_back_to_the_bit(tmp_path_factory: Any, ticket: Any) -> None:
    masks, state = ticket
    path = tmp_path_factory.mktemp("ticket") / "final.safetensors"
    save_masked(path, state, masks)
    assert digest(load_tensors(path)) == digest(state)
    assert digest(load_ticket_file(path).masks) == digest(masks)
    save_masks(path, masks)
    assert digest(load_tensors(path)) == digest(masks)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def example() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    draw = torch.Generator().manual_seed(3)
    state = {"fc.weight": torch.randn(4, 9, generator=draw), "fc.bias": torch.randn(4, generator=draw)}
    masks = {"fc.weight": state["fc.weight"] > 0.5}
    return masks, state | {"fc.weight": state["fc.weight"] * masks["fc.weight"] + 0.0}


def test_the_same_values_are_the_same_bytes() -> None:
    masks, state = example()
    assert pack(masks, state, notes={"a": 1}) == pack(masks, dict(reversed(state.items())), notes={"a": 1})


def test_any_flipped_byte_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    masks, state = example()
    notes = {"weights": "final"}
    data = pack(masks, state, dtype=torch.int8, notes=notes)
    path = tmp_path / "ticket"
    path.write_bytes(data)
    before = load_ticket_file(path)
    refused = 0
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        found, message = read(path)
        if found is None:
            assert message.startswith(f"{path}: ")
            assert message.isprintable()
            refused += 1
        else:
            assert same(found.state, before.state)
            assert same(found.masks, before.masks)
            assert found.notes == notes
    assert refused > 0.98 * len(data)


def read(path: Path) -> tuple[Ticket | None, str]:
    """What a file holds, or why it is refused."""
    try:
        return load_ticket_file(path), ""
    except UserError as error:
        return None, str(error)


@pytest.mark.parametrize("length", [0, 7, 8, 100, -1])
def test_a_part_of_a_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "ticket"
    path.write_bytes(pack(*example())[:length])
    with pytest.raises(UserError, match="ticket: not a safetensors file") as raised:
        load_tensors(path)
    assert "\n" not in str(raised.value)


def forged(tensors: dict[str, Tensor], **changes: Any) -> bytes:
    """A file whose digest is right, whatever it says."""
    header = {"format": 1, "sha256": "0" * 64, "values": None, "masks": {}, "tied": {}, "notes": {}} | changes
    data: bytes = safetensors.torch.save(tensors, {"ticket": json.dumps(header)})
    return data.replace(b"0" * 64, hashlib.sha256(data).hexdigest().encode(), 1)


BYTES = torch.zeros(3, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (forged({}, format=2), "a ticket of format 2; this version reads format 1"),
        (forged({}, masks={"w": [[1 << 50], "bool", 0, 0, 0, 0]}), "larger than the memory of this machine"),
        (forged({}, masks={"w": [[4], "bool", 0, 0, 0, 0]}), "damaged ('ticket:masks')"),
        (forged({"ticket:masks": BYTES}), "damaged (it holds more than its masks account for)"),
        (forged({"ticket:masks": BYTES}, masks={"w": [[40], "bool", 3, 2, 0, 3]}), "damaged (24 bits"),
        (forged({"ticket:masks": BYTES}, masks={"w": [[40], "bool", "3", 2, 0, 3]}), "damaged ("),
        (forged({"ticket:masks": BYTES[:0]}, masks={"w": [[4], "save", 0, 0, 0, 0]}), "damaged ("),
        (forged({}, tied={"a": "b"}), "damaged ("),
        (forged({}, masks=[]), "damaged ("),
        (safetensors.torch.save({"ticket:masks": BYTES}), "damaged (its SHA-256"),
        (safetensors.torch.save({}, {"ticket": "[]"}), "damaged ("),
    ],
    ids=range(11),
)
def test_a_file_that_was_made_to_mislead_gets_one_line(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "ticket"
    path.write_bytes(data)
    with pytest.raises(UserError) as raised:
        load_tensors(path)
    assert why in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_weight_that_is_masked_and_not_zero_is_written_whole(tmp_path: Path) -> None:
    masks, state = example()
    for value in (-0.0, 1e-45, math.nan):
        odd = state["fc.weight"].clone()
        odd[~masks["fc.weight"]] = value
        save_masked(tmp_path / "ticket", state | {"fc.weight": odd}, masks)
        found = load_tensors(tmp_path / "ticket")["fc.weight"]
        assert found.view(torch.int32).equal(odd.view(torch.int32))


def test_tied_matrices_are_written_once(tmp_path: Path) -> None:
    weight = torch.randn(50, 20)
    mask = weight > 0
    state = {"embedding.weight": weight.where(mask, 0), "decoder.weight": weight.where(mask, 0)}
    state["other"] = torch.zeros(50, 20)
    state |= {"third": state["other"].clone(), "bias": torch.zeros(50), "bias_2": torch.zeros(50)}
    save_masked(tmp_path / "ticket", state, {"embedding.weight": mask})
    assert (tmp_path / "ticket").stat().st_size < 4 * (int(mask.sum()) + 1000 + 100) + 1500
    found = load_tensors(tmp_path / "ticket")
    assert digest(found) == digest(state)
    assert found["decoder.weight"].data_ptr() != found["embedding.weight"].data_ptr()


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    masks, state = example()
    for tensors in (masks, state):
        (tmp_path / "old.safetensors").write_bytes(safetensors.torch.save(tensors))
        assert digest(load_tensors(tmp_path / "old.safetensors")) == digest(tensors)


def test_other_safetensors_files_with_metadata_are_read(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(safetensors.torch.save({"w": torch.ones(2)}, {"format": "pt"}))
    assert load_tensors(tmp_path / "other")["w"].equal(torch.ones(2))


def test_a_name_that_the_file_needs_itself() -> None:
    with pytest.raises(UserError, match="ticket:masks: the file of a ticket cannot hold a tensor of this name"):
        pack({}, {"ticket:masks": torch.ones(2)})


def test_the_container_is_plain_safetensors(tmp_path: Path) -> None:
    """Others can see what is in it."""
    masks, state = example()
    data = pack(masks, state)
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    assert set(header) == {"__metadata__", "fc.bias", "ticket:masks", "ticket:values.float32"}
    assert header["ticket:values.float32"]["shape"] == [int(masks["fc.weight"].sum())]
