"""Reads files of `torch.save` as data, in both of its formats, without torch's own unpickling.

torch.load cannot be used: if it may load unknown classes it runs code, and it passes a TorchScript archive on to
torch.jit.load with any options. Here only the bytes of the requested tensors are read.
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

# The older format begins with these two pickles; then come machine properties, the object, and the storages.
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
# Exceptions of the standard library for a damaged archive or file.
BROKEN = (
    *(ArithmeticError, EOFError, LookupError, MemoryError, RuntimeError, ValueError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True, slots=True)
class StorageRecord:
    """A storage in the file, which holds the values of one or more tensors.

    Args:
        key: its name in the file.
        dtype: of its values.
        length: number of values.
    """

    key: str
    dtype: torch.dtype
    length: int


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """The description of a tensor in the file, without its values.

    Args:
        storage: holds its values.
        offset: index of its first value in the storage.
        shape: of the tensor.
        strides: for each dimension, the distance of neighbours in the storage.
    """

    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


Fetch: TypeAlias = Callable[[StorageRecord], bytes]


class TensorFile:
    """The contents of a file.

    Args:
        path: of the file.
        root: the saved object as `read_pickle` returns it, with `TensorRecord`s for tensors.
        fetch: reads the bytes of a storage.
    """

    def __init__(self, path: Path, root: object, fetch: Fetch) -> None:
        self.path = path
        self.root = root
        self._fetch = fetch

    def tensor(self, record: TensorRecord) -> Tensor:
        """Read a tensor: contiguous, on the CPU, in its saved dtype.

        Raises:
            UserError: the file is truncated, or the tensor exceeds its storage.
        """
        storage, last = record.storage, record.offset
        with _errors_of(self.path):
            for size, stride in zip(record.shape, record.strides, strict=True):
                last += (size - 1) * stride
            values = math.prod(record.shape)
            # The last condition refuses strides of 0, which could make a huge tensor of a small storage.
            if not values or last >= storage.length or values > storage.length:
                raise ValueError(f"a tensor of shape {record.shape} does not fit into {storage.length} values")
            content = self._fetch(storage)
            if len(content) != storage.length * storage.dtype.itemsize:
                raise ValueError(f"the {storage.length} values of a tensor are not all in the file")
            flat = torch.frombuffer(bytearray(content), dtype=storage.dtype)
            return flat.as_strided(record.shape, record.strides, record.offset).clone(
                memory_format=torch.contiguous_format
            )


def read_tensor_file(path: Path) -> TensorFile:
    """Read the contents of a file, but no values of tensors yet; see `TensorFile`.

    Raises:
        UserError: there is no such file, `torch.save` did not write it, it is damaged, or it holds code.
    """
    with _errors_of(path), open(path, "rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        return _read_zip(path) if is_zip else _read_legacy(path, file)


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turn the standard library's exceptions for missing and damaged files into a `UserError`."""
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); name a checkpoint") from None
    except BROKEN as error:
        raise UserError(f"{path}: damaged ({shown(str(error) or type(error).__name__)}); copy it again") from None


def _read_zip(path: Path) -> TensorFile:
    """Read the format of torch since 1.6: a zip archive with the pickle, and a member for each storage."""
    with zipfile.ZipFile(path) as archive:
        members = {name.partition("/")[2]: name for name in archive.namelist()}
        if any(name == "constants.pkl" or name.startswith("code/") for name in members):
            raise UserError(f"{path}: holds code: it is a TorchScript archive; nothing of it was run")
        if "data.pkl" not in members:
            raise UserError(f"{path}: not a checkpoint: a zip archive that torch.save did not write")
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise UserError(f"{path}: not a checkpoint: a compressed archive, which torch.save does not write")
        if "byteorder" in members and archive.read(members["byteorder"]) != b"little":
            raise UserError(f"{path}: its numbers are big-endian; load it and save it again on a little-endian machine")
        root = _unpickle(io.BytesIO(archive.read(members["data.pkl"])), path, {})

    def fetch(storage: StorageRecord) -> bytes:
        name = members.get(f"data/{storage.key}")
        if name is None:
            return b""
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)

    return TensorFile(path, root, fetch)


def _read_legacy(path: Path, file: BinaryIO) -> TensorFile:
    """Read the format before 1.6: five pickles, then all storages, each preceded by its length as int64."""
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
    """Read one pickle; adds the storages that it refers to to `storages`."""

    def persistent(saved: object) -> object:
        match saved:
            case ("module", container, *_):  # followed by the source of its class, which is not used
                return container
            case ("storage", Global(path=kind), str(key), str(), int(length), *view) if view in ([], [None]):
                if kind.startswith("torch."):
                    record = StorageRecord(key, DTYPES[kind.rpartition(".")[2]], _number(length))
                    return storages.setdefault(key, record)
        raise ValueError("it refers to something that is not a storage")

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
        raise ValueError("a size that is not a valid number")
    return value


def _parameter(data: object, *_: object) -> object:
    return data


def _ordered(pairs: Iterable[tuple[object, object]] = ()) -> dict[object, object]:
    return dictionary(pairs)


# The functions that the files of models and optimisers ask to call, with our replacements.
CALLS: Mapping[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "collections.OrderedDict": _ordered,  # parameters, buffers, submodules and hooks of a module
    "collections.defaultdict": lambda *_: {},  # the optimiser's state
    "builtins.set": lambda *_: [],  # names of buffers that are not saved
    "torch.nn.backends.thnn._get_thnn_function_backend": lambda: None,  # an attribute of every module before torch 1.4
}
