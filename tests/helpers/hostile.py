"""Objects whose unpickling runs code: each would leave a witness file behind."""

import builtins
import functools
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Calls:
    """Pickled as a call of any function; `state`, if given, is set afterwards."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function = function
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


def hostile_objects(witness: Path) -> dict[str, Any]:
    """By what they do. Loaded by `pickle.load`, each makes the file `witness`."""
    command = f"touch {witness}"
    return {
        "os.system": Calls(os.system, command),
        "eval": Calls(builtins.eval, f"__import__('pathlib').Path({str(witness)!r}).touch()"),
        "exec": Calls(builtins.exec, f"open({str(witness)!r}, 'w').close()"),
        "partial": Calls(functools.partial(os.system, command)),
        "nested pickle": Calls(pickle.loads, pickle.dumps(Calls(os.system, command))),
        "key of a dictionary": {Calls(os.system, command): 1},
    }


def hostile_bytes(witness: Path) -> dict[str, bytes]:
    """The same as bytes of pickles that `pickle.dumps` would not write, by the operation they use."""
    command = f"touch {witness}"
    return {
        "INST": f"(S'{command}'\nios\nsystem\n.".encode(),
        "OBJ": f"(cos\nsystem\nS'{command}'\no.".encode(),
        "dotted name": b"\x80\x04\x8c\x07pathlib\x8c\x0aPath.touch\x93"
        + f"cpathlib\nPath\n(S'{witness}'\ntR".encode()
        + b"\x85R.",
        "getattr": f"cbuiltins\ngetattr\n(cbuiltins\n__import__\n(S'os'\ntRS'system'\ntR(S'{command}'\ntR.".encode(),
        "set by state": f"cfunctools\npartial\n(cos\nsystem\ntR(cos\nsystem\n(S'{command}'\nt(dNtb)R.".encode(),
    }
