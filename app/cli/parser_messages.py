"""What jsonargparse finds wrong with options, said in one line.

Its own messages are trees of several lines: for every type that an option may have, why the value is not of that type.
"""

import difflib
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPTION = re.compile(r"""^(?:- )?Parser key ["'](.+?)["']:""")
_CLASS = re.compile(r"""^(?:- )?Problem with given class_path ["'](.+?)["']:""")
_UNKNOWN = re.compile(r"Option '(.+?)' is not accepted")
_EXPECTED = re.compile(r"^Expected an? (?P<type>.+?)(?:\. Got value: (?P<value>.*))?$")
_SUBCLASS = re.compile(r"^(?:Not a valid subclass of|Import path does not correspond to a subclass of) (\w+)")
_VALUE = re.compile(r"^ *Given value: (.*)$", re.MULTILINE)
_NESTED = re.compile(r"NestedArg\(key='(.+?)', val=(.*)\)$")
# Lines that say nothing of this value.
_NOISE = re.compile(
    r"^(Does not validate|Subtypes:|Errors:|Given value|Expected a path but|Subclass types|an? (class path|dict) )"
)
_PARTS = {"trainer": "lightning.pytorch.Trainer", "pruning": "app.lottery.settings.Pruning"}
_KINDS = {
    "PositiveInt": "a whole number above 0",
    "NonNegativeInt": "a whole number, 0 or above",
    "PositiveFloat": "a number above 0",
    "NonNegativeFloat": "a number, 0 or above",
    "ClosedUnitInterval": "a number from 0 to 1",
    "OpenUnitInterval": "a number between 0 and 1",
}
_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "list": "a list"}
_WORDS |= {"NoneType": "null", "dict": "a mapping", "Iterable": "a list"}


@dataclass(frozen=True)
class Reason:
    """One reason that jsonargparse gives.

    Args:
        option: the dotted option, as far as it is known.
        owner: the class that has the option; empty at the top.
        text: what is wrong, in jsonargparse's words.
        depth: number of options and classes around it; the deepest reason is the most specific one.
    """

    option: str
    owner: str
    text: str
    depth: int


def in_one_line(message: str) -> str:
    """What a message of jsonargparse comes to, in one line.

    Args:
        message: as jsonargparse raises it, often of many lines.
    """
    reasons = list(_reasons(message))
    if not reasons:
        return _of_one_line(" ".join(message.split()))
    deepest = max(reason.depth for reason in reasons)
    first = next(reason for reason in reasons if reason.depth == deepest)
    alike = [each for each in reasons if (each.depth, each.option, each.owner) == (deepest, first.option, first.owner)]
    said = [each.text for each in alike if not _EXPECTED.match(each.text)]
    text = said[0] if said else first.text
    where = ": ".join(filter(None, (first.option, first.owner))) or _given_class(message)
    if unknown := _UNKNOWN.search(text):
        return _unknown_option(first.option, _class_of_function(text) or first.owner, unknown[1])
    if text.startswith("the following arguments are required: "):
        return f"{where} needs {text.partition(': ')[2]}"
    if base := _SUBCLASS.match(text):
        return f"{first.option} is {_given(message)}; expected the class path of a {base[1]}"
    if all(_EXPECTED.match(each.text) for each in alike):
        return _wrong_value(message, alike)
    if not_a := re.match(r"Not of type (\w+): (.*)", text):
        value = re.match(r"invalid literal for .*: (.*)|could not convert .*: (.*)|(\S+) does not conform", not_a[2])
        found = next((part for part in value.groups() if part), "") if value else not_a[2]
        found = found.strip("'")
        return f"{where} is {found}; expected {_KINDS.get(not_a[1], not_a[1])}"
    if missing := re.match(r"module '(.+?)' has no attribute '(.+?)'$", text):
        text += did_you_mean(missing[2], dir(importlib.import_module(missing[1])))
    return f"{where}: {text}"


def _reasons(message: str) -> Iterator[Reason]:
    wrapped = message.startswith("Does not validate")  # what a constructor has raised
    around: list[tuple[int, str, bool]] = []  # indent, name, whether it is a class
    for line in filter(str.strip, message.splitlines()):
        indent, words = len(line) - len(line.lstrip()), line.strip()
        while around and around[-1][0] >= indent:
            around.pop()
        option, kind = _OPTION.match(words), _CLASS.match(words)
        if option or kind:
            found = option or kind
            assert found is not None
            around.append((indent, found[1], kind is not None))
            words = words[found.end() :]
        words = words.strip().removeprefix("- ")
        if words and (around or wrapped) and not _NOISE.match(words):
            dotted = ".".join(name for _, name, is_class in around if not is_class)
            owner = around[-1][1] if around and around[-1][2] else ""
            yield Reason(dotted, owner, words, len(around))


def _unknown_option(option: str, owner: str, name: str) -> str:
    if not owner:
        return f"{option} has no option {name}"
    options = options_of(owner)
    there = f"; its options are {', '.join(options)}" if options else ""
    return f"{option}: {owner} has no option {name}{did_you_mean(name, options) or there}"


def _class_of_function(text: str) -> str:
    """The class that stands for a function, such as that of an optimiser."""
    found = re.search(r"expects a function or a callable class: .*class_path='(.+?)'", text)
    return found[1] if found else ""


def _wrong_value(message: str, reasons: list[Reason]) -> str:
    kinds: list[str] = []
    value = None
    for found in filter(None, (_EXPECTED.match(reason.text) for reason in reasons)):
        kinds += _kinds(found["type"])
        value = found["value"] if found["value"] is not None else value
    value = value if value is not None else _given(message)
    kinds = list(dict.fromkeys(kinds))
    expected = " or ".join([", ".join(kinds[:-1]), kinds[-1]] if len(kinds) > 1 else kinds)
    return f"{reasons[0].option} is {value}; expected {expected}"


def _kinds(name: str) -> list[str]:
    """A type as a user reads it; a Literal is several values."""
    if name.startswith("dot import path string"):
        return ["a class path"]
    bare = re.sub(r"^<(?:class|enum) '(?:\w+\.)*(\w+)'>$", r"\1", name)
    if literal := re.match(r"typing\.Literal\[(.*)\]$", bare):
        return literal[1].replace("'", "").split(", ")
    return [_WORDS.get(bare, bare)]


def _given(message: str) -> str:
    found = _VALUE.findall(message)
    nested = _NESTED.match(found[-1]) if found else None
    return nested[2].strip("'") if nested else found[-1] if found else "no such value"


def _given_class(message: str) -> str:
    found = re.search(r"Given value: \w+\(class_path='(.+?)'", message)
    return found[1] if found else ""


def _of_one_line(message: str) -> str:
    """Messages that are one line by themselves, in the words of the rest."""
    if found := re.match(r"(?:unrecognized|Unrecognized) arguments: (.*)", message):
        return _no_option(found[1].split()[0])
    if found := re.match(r"Subcommand '(.+?)' does not accept (?:option|nested key) '(.+?)'", message):
        return f"{found[1]} has no option {found[2]}"
    if found := re.match(r"argument (\S+): expected one argument", message):
        return f"{found[1]} needs a value"
    if found := re.match(r"Unexpected config: ?(.{0,60})", message):
        return (
            f"--config: a file of options, such as experiment: mine, is expected; found {found[1] or 'an empty file'}"
        )
    return message


def _no_option(argument: str) -> str:
    if not argument.startswith("-"):
        return f"what is {argument}? options begin with --"
    name = argument.partition("=")[0]
    part, _, rest = name.removeprefix("--").partition(".")
    known = [f"--{part}.{each}" for each in options_of(_PARTS[part])] if rest and part in _PARTS else []
    return f"there is no option {name}{did_you_mean(name, known)}"


def options_of(path: str) -> list[str]:
    """The options of a class by its path, as far as its constructors name them; empty if there is no such class."""
    module, _, name = path.rpartition(".")
    kind = getattr(importlib.import_module(module), name, None) if module else None
    names: dict[str, None] = {}
    for each in inspect.getmro(kind) if isinstance(kind, type) else ():
        if "__init__" not in vars(each):
            continue
        parameters = list(inspect.signature(vars(each)["__init__"]).parameters.values())[1:]
        names |= dict.fromkeys(one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD))
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            break
    return [name for name in names if name != "self"]


def did_you_mean(name: str, known: list[str]) -> str:
    """The end of a sentence that names the most similar of some names; empty if none is similar."""
    similar = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {similar[0]}?" if similar else ""
