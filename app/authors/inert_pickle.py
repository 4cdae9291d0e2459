"""Reads a pickle as data: nothing that it names is imported, and nothing that it asks for is run.

`pickletools` of the standard library takes the bytes apart; what they say is then followed here, with plain containers
and stand-ins in place of objects. The only functions ever called are those that the caller hands over, by name.
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
# Sets become lists: nobody looks into them here, and what cannot be hashed does no harm in a list.
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
OLD_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # what Python 2 called them, and protocol 2 still does


@dataclass(frozen=True, eq=False, slots=True)
class Global:
    """A name that the file gives; never looked up.

    Args:
        path: module and name, joined by a dot.
    """

    path: str


@dataclass(eq=False, slots=True)
class Instance:
    """Stands for an object of a class that the file names.

    Args:
        kind: module and name of the class, joined by a dot.
        state: what the object would be set to, as a rule its attributes by name.
    """

    kind: str
    state: object = None


Calls = Mapping[str, Callable[..., object]]


def read_pickle(file: BinaryIO, *, calls: Calls, persistent: Callable[[object], object], where: str) -> object:
    """Follow one pickle to its end, and leave the file right behind it.

    Args:
        file: to read from; needs `read`, `readline` and `tell`.
        calls: functions of ours for the functions that the file may ask to call, by their path. They make data of
            plain data; whatever they raise counts as a mistake of the file.
        persistent: makes data of the ids that stand for what is stored elsewhere.
        where: what messages call the file.

    Returns:
        Numbers, texts, lists, dictionaries and tuples; `Global`, `Instance`, and what `calls` and `persistent` made.

    Raises:
        UserError: the file asks to call anything else, or is no pickle, or a broken one.
    """
    machine = _Machine(calls, persistent, where)
    try:
        # Text with a broken escape, as protocol 0 may hold it.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            return machine.run(file)
    except UserError:
        raise
    except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        reason = shown(str(error) or type(error).__name__)
        raise UserError(f"{where}: not a readable checkpoint ({reason}); is it damaged, or of another kind?") from None


def shown(text: str) -> str:
    """A text from a file, fit for one line of a terminal."""
    plain = ascii(text)[1:-1]
    return plain if len(plain) <= 80 else f"{plain[:77]}..."


class _Machine:
    def __init__(self, calls: Calls, persistent: Callable[[object], object], where: str) -> None:
        self.calls = calls
        self.persistent = persistent
        self.where = where
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # what lies under each open mark
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
        """Marks, the memo, and copies on the stack; whether the operation is one of these."""
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
        """Containers of what lies on the stack; whether the operation is one of these."""
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
        """Names, calls and instances; whether the operation is one of these."""
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
                del self.stack[-1 if name == "NEWOBJ" else -2 :]  # arguments: nothing is made with them
                self.push(Instance(_path(self.stack.pop())))
            case "BUILD":
                state, target = self.stack.pop(), self.stack[-1]
                if isinstance(target, Instance):
                    target.state = state
                elif not isinstance(target, dict):  # an attribute of a dictionary, such as a state_dict's versions
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
        """Take everything that was put on the stack since the last mark."""
        taken, self.stack = self.stack, self.below.pop()
        return taken

    def add(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, Instance):  # of a class derived from list: its items are not needed
            list.extend(target, items)

    def update(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        target = self.stack[-1]
        if not isinstance(target, Instance):  # of a class derived from dict: its items are not needed
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
    """A dictionary of pairs whose keys are no tuples: to hash a tuple nested very deeply would end the process.

    Raises:
        TypeError: a key that is a tuple, or cannot be hashed.
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
        raise TypeError(f"a {type(function).__name__} in the place of a function")
    return function.path
