"""Reading files of `torch.save` as data, in both formats: the same tensors as by torch, and no code is run."""

import io
import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from functools import cache
from pathlib import Path

import pytest
import torch
from helpers.hostile import hostile_bytes, hostile_objects
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from app.authors.inert_pickle import Instance
from app.authors.inert_torch import TensorRecord, read_tensor_file
from app.common.errors import UserError

both_formats = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def save(saved: object, path: Path, *, zipped: bool) -> Path:
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    return path


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_tensor_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


@both_formats
@pytest.mark.parametrize("name", ["float64", "float32", "float16", "bfloat16", "int64", "bool"])
def test_tensors_are_those_that_were_saved(zipped, name, tmp_path):
    dtype = getattr(torch, name)
    whole = (torch.arange(24).reshape(4, 6) % 7).to(dtype)
    views = {"whole": whole, "rows": whole[1:3], "turned": whole.t(), "part": whole[::2, 1::3], "one": whole[2, 3]}
    file = read_tensor_file(save(views, tmp_path / "x.pt", zipped=zipped))
    for which, view in views.items():
        read = file.tensor(file.root[which])
        assert read.dtype == dtype
        assert torch.equal(read, view), which
        assert read.is_contiguous()
    assert file.root["rows"].storage == file.root["turned"].storage


@both_formats
def test_modules_and_optimisers_of_todays_torch_are_understood(zipped, tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.LSTM(3, 1))
    net[0].weight.note = "parameters may have attributes"
    optimizer = torch.optim.Adam(net.parameters())
    sum(parameter.sum() for parameter in net.parameters()).backward()
    optimizer.step()
    file = read_tensor_file(save([net, optimizer, net.state_dict()], tmp_path / "x.pt", zipped=zipped))
    read_net, read_optimizer, state_dict = file.root
    assert isinstance(read_net, Instance)
    linear = read_net.state["_modules"]["0"]
    assert linear.kind == "torch.nn.modules.linear.Linear"
    assert torch.equal(file.tensor(linear.state["_parameters"]["weight"]), net[0].weight)
    assert linear.state["_parameters"]["weight"] == state_dict["0.weight"]
    moments = read_optimizer.state["state"][state_dict["0.weight"]]["exp_avg"]
    assert torch.equal(file.tensor(moments), optimizer.state[net[0].weight]["exp_avg"])


def test_tensors_of_a_gpu_and_of_an_older_torch_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:3")
    values = torch.arange(6.0)
    path = save([values], tmp_path / "x.pt", zipped=False)
    content = path.read_bytes().replace(b"ctorch\nFloatStorage\n", b"ctorch.cuda\nFloatStorage\n")
    path.write_bytes(content.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor"))
    assert b"cuda:3" in path.read_bytes()
    file = read_tensor_file(path)
    assert torch.equal(file.tensor(file.root[0]), values)


@both_formats
@pytest.mark.parametrize("name", hostile_objects(Path()))
def test_code_is_named_and_not_run(name, zipped, tmp_path):
    witness = tmp_path / "witness"
    path = save([torch.zeros(2), hostile_objects(witness)[name]], tmp_path / "x.pt", zipped=zipped)
    torch.load(path, weights_only=False)
    assert witness.exists(), "this file does no harm when unpickled, so it would prove nothing"
    witness.unlink()
    assert "holds code: it asks to call " in refused(path)
    assert not witness.exists()


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("name", hostile_bytes(Path()))
def test_code_in_any_pickle_of_the_older_format_is_not_run(number, name, tmp_path):
    witness = tmp_path / "witness"
    pickles = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {}, [], [])]
    pickles[number] = hostile_bytes(witness)[name]
    path = tmp_path / "x.pt"
    path.write_bytes(b"".join(pickles))
    assert "holds code: it asks to call " in refused(path)
    assert not witness.exists()


def test_functions_of_torch_that_call_their_arguments_are_not_run(tmp_path):
    for function in ("_rebuild_from_type_v2", "_rebuild_wrapper_subclass", "_rebuild_device_tensor_from_cpu_tensor"):
        path = tmp_path / "x.pt"
        path.write_bytes(f"ctorch._tensor\n{function}\n(cos\nsystem\ncos\nsystem\n(S'true'\ntNtR.".encode())
        assert f"asks to call torch._tensor.{function}" in refused(path)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_is_refused(tmp_path):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1)), tmp_path / "x.pt")
    assert "holds code: it is a TorchScript archive" in refused(tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "y.pt", "w") as archive:
        archive.writestr("y/constants.pkl", pickle.dumps(()))
        archive.writestr("y/data.pkl", pickle.dumps([]))
    assert "holds code: it is a TorchScript archive" in refused(tmp_path / "y.pt")


def test_the_text_of_classes_in_the_older_format_is_passed_over(tmp_path):
    class Stores(pickle.Pickler):
        def persistent_id(self, value):
            if value == "Net":
                return "module", OrderedDict, "net.py", "import os; os.system('false')"
            return None

    content = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {}, ["Net"], []):
        Stores(content, 2).dump(value)
    (tmp_path / "x.pt").write_bytes(content.getvalue())
    assert read_tensor_file(tmp_path / "x.pt").root[0].path == "collections.OrderedDict"


def contents(path: Path) -> list[Tensor]:
    file = read_tensor_file(path)
    return [file.tensor(record) for record in file.root if isinstance(record, TensorRecord)]


def _archive(path: Path, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"x/{name.replace('_pkl', '.pkl')}", content)


def test_what_torch_did_not_write_is_told(tmp_path):
    path = tmp_path / "x.pt"
    assert "cannot be read (No such file or directory)" in refused(path)
    assert "cannot be read (Is a directory)" in refused(tmp_path.rename(tmp_path.parent / "folder"))
    path = tmp_path.parent / "folder" / "x.pt"
    for content, says in (
        (b"", "not a readable checkpoint"),
        (b"no checkpoint at all", "not a readable checkpoint"),
        (pickle.dumps({"a": 1}), "a pickle that torch.save did not write"),
        (b"PK\x03\x04" + b"\0" * 50, "damaged"),
    ):
        path.write_bytes(content)
        assert says in refused(path)
    _archive(path, other=b"")
    assert "a zip archive that torch.save did not write" in refused(path)
    _archive(path, data_pkl=pickle.dumps([]), byteorder=b"big")
    assert "big-endian" in refused(path)
    _archive(path, data_pkl=b"(S'storage'\nI1\ntQ.")
    assert "it refers to something that is not a storage" in refused(path)


@both_formats
def test_a_file_that_is_cut_short_is_told_wherever_it_ends(zipped, tmp_path):
    content = save([torch.arange(5.0)], tmp_path / "x.pt", zipped=zipped).read_bytes()
    for end in range(0, len(content), 7):
        (tmp_path / "x.pt").write_bytes(content[:end])
        with pytest.raises(UserError, match=r"damaged|not a readable checkpoint"):
            contents(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (7,), (1,)),
        (1, (6,), (1,)),
        (0, (2, 2), (5, 2)),
        (0, (10**12,), (0,)),
        (2**62, (2,), (2**62,)),
        (0, (0,), (1,)),
    ],
)
def test_tensors_that_their_storage_has_no_room_for_are_refused(offset, shape, strides, tmp_path):
    file = read_tensor_file(save([torch.arange(6.0)], tmp_path / "x.pt", zipped=True))
    with pytest.raises(UserError, match=r"damaged \(a tensor of shape .* does not fit into 6 values\)"):
        file.tensor(TensorRecord(file.root[0].storage, offset, shape, strides))


@pytest.mark.parametrize(
    "arguments", ["N", "I0\nI1\nI1\n", "I0\n(I-1\nt(I1\nt", "I0\n(I1\nt(I1\nI1\nt", "F0.5\n(I1\nt(I1\nt"]
)
def test_tensors_of_no_sensible_size_are_refused(arguments, tmp_path):
    storage = "(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI6\ntQ"
    _archive(tmp_path / "x.pt", data_pkl=f"](ctorch._utils\n_rebuild_tensor\n({storage}{arguments}tRe.".encode())
    with pytest.raises(UserError, match=r"not a readable checkpoint|damaged"):
        contents(tmp_path / "x.pt")


@cache
def undamaged(zipped: bool) -> bytes:
    """Saved once: the older format holds addresses, so that its length is not always the same."""
    buffer = io.BytesIO()
    torch.save([torch.arange(5.0), torch.ones(2, 2)], buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@both_formats
@given(data=st.data())
def test_a_damaged_byte_is_told_or_does_no_harm(zipped, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("damaged") / "x.pt"
    content = bytearray(undamaged(zipped))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        file = read_tensor_file(path)
        if isinstance(file.root, list):
            contents(path)
    except UserError as error:
        assert re.match(re.escape(f"{path}: "), str(error))  # noqa: PT017 - to be read after all is right, too
        assert "\n" not in str(error)  # noqa: PT017


def test_a_length_that_is_not_there_is_not_believed(tmp_path):
    path = save([torch.arange(5.0)], tmp_path / "x.pt", zipped=False)
    content = path.read_bytes()
    huge = 2**31 - 1
    content = content.replace(b"K\x05", b"J" + struct.pack("<i", huge))  # in the pickle
    path.write_bytes(content.replace(struct.pack("<q", 5), struct.pack("<q", huge)))  # and before the values
    with pytest.raises(UserError, match=r"damaged \(.* are not all in the file\)"):
        contents(path)


def test_an_archive_that_unpacks_to_more_than_it_is_is_not_unpacked(tmp_path):
    """Three megabytes could become three gigabytes."""
    save({"a": torch.zeros(1000)}, tmp_path / "x.pt", zipped=True)
    with zipfile.ZipFile(tmp_path / "x.pt") as stored, zipfile.ZipFile(tmp_path / "y.pt", "w") as packed:
        for member in stored.infolist():
            packed.writestr(member.filename, stored.read(member), zipfile.ZIP_DEFLATED)
    assert refused(tmp_path / "y.pt").endswith("a compressed archive, which torch.save does not write")
