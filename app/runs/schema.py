"""schema.json of a run directory: the metrics of its networks, their methods, and which networks there are to be."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.gates import GatedWeight
from app.common.metrics import Metric, Schema
from app.common.text_files import read_json
from app.runs.layout import NetworkKey, RunDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodNote:
    """The description of a method in tables and figures.

    Args:
        name: its name in results.csv.
        label: its name in sentences and legends; if it is empty, the name in words.
        note: what it does, in one clause without a full stop.
        of: name of the method whose tickets it is a control of; empty for all others.
    """

    name: str
    label: str = ""
    note: str = ""
    of: str = ""

    @property
    def title(self) -> str:
        """The label, or the name in words if there is no label."""
        return self.label or self.name.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSchema:
    """The metrics and methods of a run, known before any table is read.

    Args:
        metrics: the declared metrics; others are inferred from their names.
        methods: the methods in the order of tables and figures; others follow.
        gates: what the rows of recurrent weights are, by the parameter's name; empty where that is not known.
        networks: of a lottery, all that there are to be, in the order in which they are trained; None where that is not
            recorded.
    """

    metrics: Schema = field(default_factory=Schema)
    methods: Sequence[MethodNote] = ()
    gates: Mapping[str, GatedWeight] = field(default_factory=dict)
    networks: Sequence[NetworkKey] | None = None

    def method(self, name: str) -> MethodNote:
        """The description of a method; of an unknown method only its name."""
        return next((method for method in self.methods if method.name == name), MethodNote(name=name))

    def in_order(self, names: Iterable[str]) -> list[str]:
        """These names of methods, each once, in the order of the schema; others follow in their own order."""
        order = [method.name for method in self.methods]
        given = dict.fromkeys(names)
        return [name for name in order if name in given] + [name for name in given if name not in order]


def write_schema(
    run: RunDirectory,
    metrics: Iterable[Metric],
    methods: Iterable[MethodNote] = (),
    gates: Mapping[str, GatedWeight] | None = None,
    networks: Iterable[NetworkKey] = (),
) -> None:
    """Write schema.json; methods that it already has are kept. Arguments as of `RunSchema`."""
    given = {method.name: method for method in methods}
    for method in read_schema(run).methods:
        given.setdefault(method.name, method)
    plain: dict[str, Any] = {
        "metrics": Schema(metrics).plain(),
        "methods": [asdict(method) for method in given.values()],
    }
    if gates:
        plain["gates"] = {name: gated.plain() for name, gated in gates.items()}
    if groups := _grouped(networks):
        plain["networks"] = groups
    write_atomically(run.schema, json.dumps(plain, indent=2) + "\n")


def read_schema(run: RunDirectory) -> RunSchema:
    """Read schema.json; an empty schema if there is none, as in old run directories.

    Raises:
        UserError: the file is not a schema.
    """
    if not run.schema.exists():
        return RunSchema()
    found = read_json(run.schema)
    try:
        methods = tuple(MethodNote(**method) for method in found["methods"])
        gates = {str(name): GatedWeight.from_plain(each) for name, each in found.get("gates", {}).items()}
        metrics = Schema.from_plain(found["metrics"], str(run.schema))
        networks = _keys(found["networks"]) if "networks" in found else None
        return RunSchema(metrics=metrics, methods=methods, gates=gates, networks=networks)
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{run.schema}: not a schema ({error}); was it edited by hand?") from None


def _grouped(networks: Iterable[NetworkKey]) -> list[dict[str, Any]]:
    """Networks as JSON has them: one entry for each replicate, method and branch, with its rounds."""
    groups: dict[tuple[int, str, int, str], list[int]] = {}
    for key in networks:
        groups.setdefault((key.replicate, key.method, key.branch, key.of), []).append(key.round)
    names = "replicate", "method", "branch", "of"
    return [dict(zip(names, group, strict=True)) | {"rounds": rounds} for group, rounds in groups.items()]


def _keys(groups: Iterable[Mapping[str, Any]]) -> list[NetworkKey]:
    """The networks of such entries.

    Raises:
        KeyError, TypeError, ValueError: they are something else.
    """
    keys = [
        NetworkKey(group["replicate"], group["method"], round, group["branch"], of=group["of"])
        for group in groups
        for round in group["rounds"]
    ]
    for key in keys:
        if NetworkKey.of_path(key.path) != key or not isinstance(key.of, str):  # it could be a path elsewhere
            raise ValueError(f"no network of a lottery: {key}")
    return keys
