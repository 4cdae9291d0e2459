"""Reads what `torch.save` wrote as data, in both of its formats, without torch's own unpickling.

torch.load is no help here: told to take classes that it does not know it runs code, and a TorchScript archive it hands
on to torch.jit.load whatever it is told. Only the bytes of the tensors that somebody asks for are read.
"""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import torch
from torch import Tensor

from app.authors.inert_pickle import Global, dictionary, read_pickle, shown
from app.common.errors import UserError

# The older format begins with these two pickles; then come facts about the machine, the object, and the storages.
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
}
# What the standard library raises over a broken archive or file.
BROKEN = (
    *(ArithmeticError, EOFError, LookupError, MemoryError, RuntimeError, ValueError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True, slots=True)
class StorageRecord:
    """Where the values of tensors lie.

    Args:
        key: its name in the file.
        dtype: of its values.
        length: how many values it holds.
    """

    key: str
    dtype: torch.dtype
    length: int


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """A tensor that the file describes, as yet without its values.

    Args:
        storage: where they lie.
        offset: number of the first one there.
        shape: of the tensor.
        strides: distances in the storage between neighbours of each dimension.
    """

    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


Fetch: TypeAlias = Callable[[StorageRecord], bytes]


class TensorFile:
    """What a file holds.

    Args:
        path: of the file.
        root: the object that was saved, as `read_pickle` gives it, with `TensorRecord`s for tensors.
        fetch: reads the bytes of a storage.
    """

    def __init__(self, path: Path, root: object, fetch: Fetch) -> None:
        self.path = path
        self.root = root
        self._fetch = fetch

    def tensor(self, record: TensorRecord) -> Tensor:
        """The values of a tensor: contiguous, on the CPU, in the dtype that they were saved in.

        Raises:
            UserError: the file is cut short, or describes a tensor that its storage has no room for.
        """
        storage, last = record.storage, record.offset
        with _said_of(self.path):
            for size, stride in zip(record.shape, record.strides, strict=True):
                last += (size - 1) * stride
            values = math.prod(record.shape)
            # The last condition keeps a stride of 0 from making much out of little.
            if not values or last >= storage.length or values > storage.length:
                raise ValueError(f"a tensor of shape {record.shape} has no room among {storage.length} values")
            content = self._fetch(storage)
            if len(content) != storage.length * storage.dtype.itemsize:
                raise ValueError(f"{storage.length} values of a tensor are not there in full")
            flat = torch.frombuffer(bytearray(content), dtype=storage.dtype)
            return flat.as_strided(record.shape, record.strides, record.offset).clone(
                memory_format=torch.contiguous_format
            )


def read_tensor_file(path: Path) -> TensorFile:
    """Read what a file holds; see `TensorFile`.

    Raises:
        UserError: no such file, not one that `torch.save` wrote, damaged, or one that holds code.
    """
    with _said_of(path), open(path, "rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        return _read_zip(path) if is_zip else _read_legacy(path, file)


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Turn whatever a missing or broken file makes the standard library raise into one line."""
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); name a checkpoint") from None
    except BROKEN as error:
        raise UserError(f"{path}: damaged ({shown(str(error) or type(error).__name__)}); copy it anew") from None


def _read_zip(path: Path) -> TensorFile:
    """The format of torch since 1.6: an archive with the pickle, and a member for each storage."""
    with zipfile.ZipFile(path) as archive:
        members = {name.partition("/")[2]: name for name in archive.namelist()}
        if any(name == "constants.pkl" or name.startswith("code/") for name in members):
            raise UserError(f"{path}: holds code: it is a TorchScript archive; nothing of it was run")
        if "data.pkl" not in members:
            raise UserError(f"{path}: not a checkpoint: a zip archive that torch.save did not write")
        if "byteorder" in members and archive.read(members["byteorder"]) != b"little":
            raise UserError(f"{path}: its numbers are big-endian; load and save it anew on a little-endian machine")
        root = _unpickle(io.BytesIO(archive.read(members["data.pkl"])), path, {})

    def fetch(storage: StorageRecord) -> bytes:
        name = members.get(f"data/{storage.key}")
        if name is None:
            return b""
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)

    return TensorFile(path, root, fetch)


def _read_legacy(path: Path, file: BinaryIO) -> TensorFile:
    """The format before 1.6: five pickles, then all storages, each behind its length as int64."""
    storages: dict[str, StorageRecord] = {}
    for expected in (MAGIC_NUMBER, PROTOCOL_VERSION):
        if _unpickle(file, path, storages) != expected:
            raise UserError(f"{path}: not a checkpoint: a pickle that torch.save did not write")
    _, root, keys = (_unpickle(file, path, storages) for _ in range(3))
    starts, position = {}, file.tell()
    for key in keys if isinstance(keys, list) else ():
        if not isinstance(key, str) or key not in storages:
            raise ValueError("it holds values that no tensor uses")
        starts[key] = position
        position += 8 + storages[key].length * storages[key].dtype.itemsize

    def fetch(storage: StorageRecord) -> bytes:
        with open(path, "rb") as file:
            file.seek(starts.get(storage.key, position))
            if file.read(8) != struct.pack("<q", storage.length):
                return b""
            return file.read(storage.length * storage.dtype.itemsize)

    return TensorFile(path, root, fetch)


def _unpickle(file: BinaryIO, path: Path, storages: dict[str, StorageRecord]) -> object:
    """Read one pickle; the storages that it speaks of are entered into `storages`."""

    def persistent(saved: object) -> object:
        match saved:
            case ("module", container, *_):  # beside the text of its class, which is of no use here
                return container
            case ("storage", Global(path=kind), str(key), str(), int(length), *view) if view in ([], [None]):
                if kind.startswith("torch."):
                    record = StorageRecord(key, DTYPES[kind.rpartition(".")[2]], _number(length))
                    return storages.setdefault(key, record)
        raise ValueError("it refers to something that is no storage")

    return read_pickle(file, calls=CALLS, persistent=persistent, where=str(path))


def _tensor(
    storage: object,
    offset: object,
    shape: Iterable[object],
    strides: Iterable[object],
    requires_grad: object = False,
    hooks: object = None,
    metadata: object = None,
) -> TensorRecord:
    if not isinstance(storage, StorageRecord) or metadata:
        raise ValueError("a tensor of an unknown kind")
    return TensorRecord(storage, _number(offset), tuple(map(_number, shape)), tuple(map(_number, strides)))


def _number(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError("a size that is no number")
    return value


def _parameter(data: object, *_: object) -> object:
    return data


def _ordered(pairs: Iterable[tuple[object, object]] = ()) -> dict[object, object]:
    return dictionary(pairs)


# All that a saved model and its optimiser ask to call, and what stands for it here.
CALLS: Mapping[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "collections.OrderedDict": _ordered,  # what a module consists of, and hooks
    "collections.defaultdict": lambda *_: {},  # the optimiser's state
    "builtins.set": lambda *_: [],  # names of buffers that are not saved
    "torch.nn.backends.thnn._get_thnn_function_backend": lambda: None,  # an attribute of every module before torch 1.4
}
