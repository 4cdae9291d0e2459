"""Reads a pickle as data: nothing that it names is imported, and no function that it names is called.

`pickletools` of the standard library splits the bytes into opcodes; this file interprets them, with plain containers
and placeholders instead of objects. The only functions that are called are those that the caller passes, by name.
"""

import pickletools
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from app.common.errors import UserError

VALUES = frozenset((
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
))  # fmt: skip
# Sets become lists: their contents are never used, and a list may contain values that cannot be hashed.
CONSTANTS: Mapping[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
}
IDLE = frozenset({"PROTO", "FRAME", "STOP"})
OLD_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # names of Python 2, which protocol 2 still uses


@dataclass(frozen=True, eq=False, slots=True)
class Global:
    """The name of a function or class in the file; it is never looked up.

    Args:
        path: module and name, joined by a dot.
    """

    path: str


@dataclass(eq=False, slots=True)
class Instance:
    """A placeholder for an object whose class the file names.

    Args:
        kind: module and name of the class, joined by a dot.
        state: the object's saved state, usually its attributes by name.
    """

    kind: str
    state: object = None


Calls = Mapping[str, Callable[..., object]]


def read_pickle(file: BinaryIO, *, calls: Calls, persistent: Callable[[object], object], where: str) -> object:
    """Read one pickle, and leave the file position directly after it.

    Args:
        file: to read from; needs `read`, `readline` and `tell`.
        calls: our replacements for the functions that the file may ask to call, by their path. They map plain data to
            data; their exceptions are reported as errors of the file.
        persistent: maps a persistent id, which refers to data outside the pickle, to that data.
        where: the file's name in error messages.

    Returns:
        Numbers, strings, lists, dictionaries, tuples, `Global`, `Instance`, and results of `calls` and `persistent`.

    Raises:
        UserError: the file asks to call another function, is not a pickle, or is damaged.
    """
    machine = _Machine(calls, persistent, where)
    try:
        # Strings of protocol 0 may contain invalid escapes, for which Python warns.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            return machine.run(file)
    except UserError:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        reason = shown(str(error) or type(error).__name__)
        raise UserError(f"{where}: not a readable checkpoint ({reason}); is it damaged, or of another kind?") from None


def shown(text: str) -> str:
    """A string from a file, escaped and shortened for one line of a terminal."""
    plain = ascii(text)[1:-1]
    return plain if len(plain) <= 80 else f"{plain[:77]}..."


class _Machine:
    def __init__(self, calls: Calls, persistent: Callable[[object], object], where: str) -> None:
        self.calls = calls
        self.persistent = persistent
        self.where = where
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks below each open mark
        self.memo: dict[int, Any] = {}

    def run(self, file: BinaryIO) -> object:
        for opcode, argument, _ in pickletools.genops(file):
            name = opcode.name
            if name in VALUES:
                self.push(argument)
            elif name in CONSTANTS:
                self.push(CONSTANTS[name]())
            elif not (name in IDLE or self.move(name, argument) or self.gather(name) or self.make(name, argument)):
                raise ValueError(f"opcode {name} is not among those of a checkpoint")
        return self.stack.pop()

    def move(self, name: str, argument: Any) -> bool:
        """Handle opcodes for marks, the memo and copies on the stack; returns whether this was one of them."""
        match name:
            case "MARK":
                self.below.append(self.stack)
                self.stack = []
            case "POP" if self.stack:
                self.stack.pop()
            case "POP" | "POP_MARK":
                self.since_mark()
            case "DUP":
                self.push(self.stack[-1])
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                self.push(self.memo[argument])
            case _:
                return False
        return True

    def gather(self, name: str) -> bool:
        """Handle opcodes that build or fill containers; returns whether this was one of them."""
        match name:
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self.push(tuple(reversed([self.stack.pop() for _ in range(int(name[-1]))])))
            case "TUPLE":
                self.push(tuple(self.since_mark()))
            case "LIST" | "FROZENSET":
                self.push(self.since_mark())
            case "DICT":
                self.push(dictionary(_pairs(self.since_mark())))
            case "APPEND":
                self.add([self.stack.pop()])
            case "APPENDS" | "ADDITEMS":
                self.add(self.since_mark())
            case "SETITEM":
                value, key = self.stack.pop(), self.stack.pop()
                self.update([(key, value)])
            case "SETITEMS":
                self.update(_pairs(self.since_mark()))
            case _:
                return False
        return True

    def make(self, name: str, argument: Any) -> bool:
        """Handle opcodes for names, calls and instances; returns whether this was one of them."""
        match name:
            case "GLOBAL":
                self.push(_global(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                attribute, module = self.stack.pop(), self.stack.pop()
                self.push(_global(module, attribute))
            case "REDUCE":
                arguments, function = self.stack.pop(), self.stack.pop()
                self.push(self.call(function, arguments))
            case "INST":
                self.push(self.call(_global(*argument.split(" ", 1)), self.since_mark()))
            case "OBJ":
                function, *arguments = self.since_mark()
                self.push(self.call(function, arguments))
            case "NEWOBJ" | "NEWOBJ_EX":
                del self.stack[-1 if name == "NEWOBJ" else -2 :]  # the arguments are not used
                self.push(Instance(_path(self.stack.pop())))
            case "BUILD":
                state, target = self.stack.pop(), self.stack[-1]
                if isinstance(target, Instance):
                    target.state = state
                elif not isinstance(target, dict):  # state of a dictionary, such as a state_dict's versions, is dropped
                    raise TypeError(f"the state of a {type(target).__name__} is set")
            case "PERSID":
                self.push(self.persistent(argument))
            case "BINPERSID":
                self.push(self.persistent(self.stack.pop()))
            case _:
                return False
        return True

    def push(self, value: object) -> None:
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        """Pop everything that was pushed since the last mark."""
        taken, self.stack = self.stack, self.below.pop()
        return taken

    def add(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, Instance):  # an instance of a subclass of list: its items are not needed
            list.extend(target, items)

    def update(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        target = self.stack[-1]
        if not isinstance(target, Instance):  # an instance of a subclass of dict: its items are not needed
            dict.update(target, dictionary(pairs))

    def call(self, function: object, arguments: Iterable[object]) -> object:
        path = _path(function)
        if path not in self.calls:
            raise UserError(
                f"{self.where}: holds code: it asks to call {shown(path)}, which is not among the calls of a saved "
                "model; nothing of it was run, and nothing is imported from it"
            )
        return self.calls[path](*arguments)


def dictionary(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """A dictionary of pairs without tuples as keys: hashing a very deeply nested tuple would crash the process.

    Raises:
        TypeError: a key is a tuple, or cannot be hashed.
    """
    made = {}
    for key, value in pairs:
        if isinstance(key, tuple):
            raise TypeError("a tuple as a key")
        made[key] = value
    return made


def _pairs(flat: list[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(flat[0::2], flat[1::2], strict=True)


def _global(module: object, name: object) -> Global:
    if not isinstance(module, str) or not isinstance(name, str):
        raise TypeError("a name that is not text")
    return Global(f"{OLD_NAMES.get(module, module)}.{name}")


def _path(function: object) -> str:
    if not isinstance(function, Global):
        raise TypeError(f"a {type(function).__name__} where a function is expected")
    return function.path
