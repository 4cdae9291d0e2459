"""config.yaml: which commands go on with a run directory, and what it then stands for."""

import inspect
import shutil
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.runs.config import (
    BEFORE_OPTIONS,
    FORMER_DEFAULTS,
    WITHOUT_EFFECT,
    claim,
    differences,
    effective,
    flatten,
    read_config,
)
from app.runs.layout import RunLayout
from app.runs.provenance import versions
from callbacks import ParseLogging

CONFIG: dict[str, Any] = {
    "seed_everything": 0,
    "experiment": "e",
    "best": {"monitor": "val_loss", "mode": "min"},
    "matmul_precision": "highest",
    "conv_precision": "default",
    "data": {"init_args": {"seed": 0, "gray": False}},
    "model": {
        "init_args": {
            "net": {"class_path": "app.nets.LeNet"},
            "num_classes": 10,
            "channels_last": False,
            "compiled": False,
            "ar_output": "dropped",
            "softmax": "dense",
            "softmax_cutoffs": None,
        }
    },
    "trainer": {
        "max_steps": 9,
        "logger": False,
        "use_distributed_sampler": True,
        "num_sanity_val_steps": 0,
        "val_check_interval": None,
        "check_val_every_n_epoch": 1,
    },
    "pruning": {
        "rounds": 2,
        "score": "magnitude",
        "least_per_layer": 0,
        "resume_schedule": False,
        "sparse": None,
        "methods": ["iterative"],
        "workers": 1,
    },
}

LEAST = "pruning.least_per_layer"

keys = st.text("abc", min_size=1, max_size=2)
leaves = st.one_of(st.none(), st.integers(0, 3), st.lists(st.integers(0, 1), max_size=2), st.just({}))
configs = st.dictionaries(
    keys, st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=6)
)


def changed(key: str, value: Any) -> dict[str, Any]:
    """The configuration with one option changed, by its dotted key."""
    config = deepcopy(CONFIG)
    *path, last = key.split(".")
    inner = config
    for part in path:
        inner = inner.setdefault(part, {})
    inner[last] = value
    return config


@pytest.fixture
def run(tmp_path: Path) -> RunLayout:
    """A directory of today, begun with CONFIG."""
    layout = RunLayout(tmp_path / "e")
    claim(layout, CONFIG)
    layout.schema.touch()
    return layout


def refusal(run: RunLayout, config: dict[str, Any], *arguments: Any, **options: Any) -> str:
    before = run.config.read_bytes() if run.config.exists() else None
    with pytest.raises(UserError) as raised:
        claim(run, config, *arguments, **options)
    assert "\n" not in str(raised.value)
    assert (run.config.read_bytes() if run.config.exists() else None) == before
    return str(raised.value)


@given(configs)
def test_flat_keys_lead_to_the_values(config: dict[str, Any]) -> None:
    flat = flatten(config)

    def at(key: str) -> Any:
        value: Any = config
        for part in key.split("."):
            value = value[part]
        return value

    def leaf_count(value: Any) -> int:
        return sum(map(leaf_count, value.values())) if isinstance(value, dict) and value else 1

    assert all(at(key) == value for key, value in flat.items())
    assert len(flat) == (leaf_count(config) if config else 0)


@given(configs, configs)
def test_what_differs_is_told_once_and_in_order(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    told = differences(ours, theirs)
    mine, before = flatten(ours), flatten(theirs)
    wrong = sorted(key for key in mine.keys() | before.keys() if mine.get(key) != before.get(key))
    assert told == [f"{key}: {before.get(key)} -> {mine.get(key)}" for key in wrong]
    assert differences(ours, theirs, free=wrong) == []


@pytest.mark.parametrize("key", WITHOUT_EFFECT)
def test_where_things_are_and_how_they_are_shown_may_differ(run: RunLayout, key: str) -> None:
    written = run.config.read_bytes()
    claim(run, changed(key, {"class_path": "other", "init_args": {"a": 3}}))
    claim(run, changed(key, "other"))
    assert run.config.read_bytes() == written
    assert f"{key}x" in effective(changed(f"{key}x", 3)), "a key that only begins alike has an effect"


def test_a_new_directory_holds_the_configuration_and_the_versions(run: RunLayout) -> None:
    found = read_config(run)
    assert found.pop("versions") == versions()
    assert found == CONFIG
    assert list(yaml.safe_load(run.config.read_text())) == ["versions", *CONFIG]


def test_the_same_command_goes_on_and_writes_nothing(run: RunLayout) -> None:
    written, moment = run.config.read_bytes(), run.config.stat().st_mtime_ns
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        claim(run, deepcopy(CONFIG), merge=lambda theirs, ours: theirs)
    assert (run.config.read_bytes(), run.config.stat().st_mtime_ns) == (written, moment)


def test_another_configuration_is_refused_with_what_differs(run: RunLayout) -> None:
    other = changed("trainer.max_steps", 10) | {"seed_everything": 3}
    message = refusal(run, other)
    assert "(seed_everything: 0 -> 3; trainer.max_steps: 9 -> 10)" in message
    assert message.startswith(f"{run.root} was made by a different configuration")
    assert "pruning.gone: None -> 3" in refusal(run, changed("pruning.gone", 3))


def test_free_keys_may_differ_and_all_that_they_begin(run: RunLayout) -> None:
    claim(run, changed("trainer.max_steps", 10), free=["trainer.max_steps"])
    claim(run, changed("trainer.max_steps", 10), free=["trainer"])
    claim(run, changed("pruning.methods", {"class_path": "x", "init_args": {"a": 1}}), free=["pruning.methods"])
    assert "max_steps" in refusal(run, changed("trainer.max_steps", 10), free=["trainer.max", "max_steps"])
    assert read_config(run)["trainer"]["max_steps"] == 9, "without a merge the directory stays what it was"


def test_a_merge_is_what_the_directory_then_stands_for(run: RunLayout) -> None:
    made_with = {**versions(), "torch": "1.0"}
    run.config.write_text(yaml.safe_dump({"versions": made_with, **CONFIG}, sort_keys=False))
    seen = []

    def merge(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
        seen.append((theirs, ours))
        return changed("pruning.rounds", 7)

    command = changed("pruning.rounds", 5)
    with pytest.warns(UserWarning, match=r"begun with other versions \(torch: 1\.0 -> "):
        claim(run, command, free=["pruning.rounds"], merge=merge)
    assert seen == [(CONFIG, command)]
    found = read_config(run)
    assert found.pop("versions") == made_with, "those that the first networks were trained with"
    assert found == changed("pruning.rounds", 7)


def test_a_merge_that_is_impossible_changes_nothing(run: RunLayout) -> None:
    def merge(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
        raise UserError("these do not go together")

    assert refusal(run, CONFIG, merge=merge) == "these do not go together"
    # What differs in more than may grow is told first.
    assert "max_steps" in refusal(run, changed("trainer.max_steps", 1), merge=merge)


def test_where_nothing_was_saved_any_configuration_may_begin(run: RunLayout) -> None:
    other = changed("trainer.max_steps", 10)
    claim(run, other, begun=False)
    found = read_config(run)
    found.pop("versions")
    assert found == other


def test_a_directory_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    run = RunLayout(tmp_path / "e")
    run.lock.touch()
    claim(run, CONFIG)  # a lock is ours
    other = RunLayout(tmp_path / "thesis")
    other.root.mkdir()
    (other.root / "thesis.tex").touch()
    assert "is no run directory" in refusal(other, CONFIG)


# Directories from before


def drop(config: dict[str, Any], key: str) -> dict[str, Any]:
    config = deepcopy(config)
    *path, last = key.split(".")
    inner = config
    for part in path:
        inner = inner[part]
    del inner[last]
    return config


@pytest.mark.parametrize(("net", "refused"), [("app.nets.ONLSTM", True), ("app.nets.LSTM", False)])
def test_an_older_lottery_of_an_on_lstm_is_refused_and_nothing_else_is(net: str, refused: bool) -> None:
    """Its master gates had no kinds of their own; an LSTM has none, and a training without pruning ranks nothing."""
    before = {"model": {"init_args": {"net": {"class_path": net}}}, "pruning": {"scope": "kind"}}
    now = deepcopy(before)
    now["model"]["init_args"]["prunable"] = None
    assert bool(differences(now, before)) is refused
    assert not differences({"model": now["model"]}, {"model": before["model"]})
    assert not differences(now, now)


def test_a_directory_that_is_older_than_an_option_of_a_callback() -> None:
    def config(*callbacks: Any) -> dict[str, Any]:
        return {"trainer": {"callbacks": list(callbacks)}}

    old = {"class_path": "callbacks.NTASGD", "init_args": {"nonmono": 3}}
    other = {"class_path": "callbacks.HalveOnPlateau", "init_args": {"patience": 2}}
    today = {"class_path": "callbacks.NTASGD", "init_args": {"nonmono": 3, "keep": "averages"}}
    live = {"class_path": "callbacks.NTASGD", "init_args": {"nonmono": 3, "keep": "live"}}
    assert not differences(config(other, today), config(other, old))
    assert differences(config(other, live), config(other, old))
    assert differences(config(other, today), config(other, live))


def test_a_directory_that_is_older_than_the_options_of_treebanks() -> None:
    def config(options: dict[str, Any]) -> dict[str, Any]:
        return {"trainer": {"callbacks": [{"class_path": "callbacks.ParseLogging", "init_args": options}]}}

    first = {"treebank": None, "split": None, "every": 1, "builder": "shen2018", "sentences": None, "trees": 5}
    today = {name: each.default for name, each in inspect.signature(ParseLogging).parameters.items()}
    second = {name: value for name, value in today.items() if name not in ("labels", "encoding")}
    assert not differences(config(today), config(first))
    assert not differences(config(today), config(second))
    assert differences(config({**today, "encoding": "gb18030"}), config(second))
    assert differences(config({**today, "punctuation": True}), config(first))


@pytest.mark.parametrize("key", BEFORE_OPTIONS)
def test_a_directory_that_is_older_than_an_option(run: RunLayout, key: str) -> None:
    before = drop(CONFIG, key)
    run.config.write_text(yaml.safe_dump({"versions": versions(), **before}))
    claim(run, CONFIG)
    assert f"{key}: {BEFORE_OPTIONS[key]} -> other" in refusal(run, changed(key, "other"))
    # A command that has no such option, as `fit` has none of pruning's, is not told of it.
    assert differences(before, before) == []


def test_an_old_directory_of_a_network_that_an_option_does_not_change(run: RunLayout) -> None:
    for network, goes_on in (("app.nets.LeNet", False), ("torch.nn.Sequential", False), ("app.nets.Conv6", True)):
        config = changed("model.init_args.net.class_path", network)
        before = drop(config, "model.init_args.compiled")
        config["model"]["init_args"]["compiled"] = True
        assert (differences(config, before) == []) == goes_on


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_global_meant_each_kind_by_itself_before_there_was_a_word_for_it(run: RunLayout, scope: str) -> None:
    """The word is as old as the option `least_per_layer`, so that a directory without the option is from before."""
    meant = {"global": "kind"}.get(scope, scope)
    run.config.write_text(yaml.safe_dump({"versions": versions(), **drop(changed("pruning.scope", scope), LEAST)}))
    assert read_config(run)["pruning"]["scope"] == meant
    claim(run, changed("pruning.scope", meant))
    other = {"layerwise": "kind", "kind": "global"}[meant]
    assert f"pruning.scope: {meant} -> {other}" in refusal(run, changed("pruning.scope", other))
    claim(run, changed("pruning.scope", meant), merge=lambda theirs, ours: theirs | {"experiment": "grown"})
    assert yaml.safe_load(run.config.read_text())["pruning"]["scope"] == meant, "written again, it keeps its meaning"
    run.config.write_text(yaml.safe_dump({"versions": versions(), **changed("pruning.scope", "global")}))
    assert read_config(run)["pruning"]["scope"] == "global"


@pytest.mark.parametrize("key", FORMER_DEFAULTS)
def test_defaults_that_were_written_out_before_there_was_a_schema(run: RunLayout, key: str) -> None:
    same = {"trainer.val_check_interval": 1.0}
    before = changed(key, same.get(key, "former"))
    run.config.write_text(yaml.safe_dump({"versions": versions(), **before}))
    assert key in refusal(run, CONFIG)
    run.schema.unlink()
    claim(run, CONFIG)


def test_an_interval_of_validations_is_no_matter_of_defaults(run: RunLayout) -> None:
    run.schema.unlink()
    assert "val_check_interval: None -> 5" in refusal(run, changed("trainer.val_check_interval", 5))
    claim(run, changed("trainer.val_check_interval", 1.0))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "not YAML"),
        ("a: b: c", "not YAML"),
        ("!!python/object/apply:os.system [ls]", "not YAML"),
        ("- a", "not a configuration"),
        ("", "not a configuration"),
        ("3", "not a configuration"),
    ],
)
def test_a_damaged_file_is_one_line(run: RunLayout, text: str, says: str) -> None:
    run.config.write_text(text)
    message = refusal(run, CONFIG)
    assert says in message
    assert str(run.config) in message


def test_a_damaged_or_missing_file_is_written_again_by_the_same_command(run: RunLayout) -> None:
    run.config.write_text("a: [")
    assert f"; delete {run.config}, and the same command writes it again" in refusal(run, CONFIG)
    run.config.unlink()
    other = changed("trainer.max_steps", 10)
    assert refusal(run, other).startswith(f"{run.config}: no such file, and the directory was made by a different conf")
    claim(run, changed("runs", "elsewhere"))
    assert read_config(run) == {"versions": versions(), **CONFIG, "runs": "elsewhere"}
    assert "trainer.max_steps: 9 -> 10" in refusal(run, other)


def test_what_may_differ_may_differ_from_what_is_written_again(run: RunLayout) -> None:
    shutil.rmtree(run.root)
    claim(run, CONFIG, free=["trainer.max_steps"])
    run.config.unlink()
    claim(run, changed("trainer.max_steps", 10), free=["trainer.max_steps"])
    assert read_config(run)["trainer"]["max_steps"] == 10


@pytest.mark.parametrize("begun", [True, False])
def test_a_configuration_of_the_user_s_own_is_left_as_it_is(tmp_path: Path, begun: bool) -> None:
    run = RunLayout(tmp_path / "mine")
    run.root.mkdir()
    run.config.write_text(yaml.safe_dump(CONFIG))
    message = refusal(run, CONFIG, begun=begun)
    assert message.startswith(f"{run.root} exists and is no run directory (no run has written its config.yaml)")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: no run directory there \(no config\.yaml\)"):
        read_config(RunLayout(tmp_path / "nowhere"))


def test_half_a_configuration_is_no_configuration(run: RunLayout) -> None:
    """Cut behind any line it is still YAML, but of another run."""
    lines = run.config.read_text().splitlines(keepends=True)
    assert read_config(run)
    for length in range(2, len(lines)):
        run.config.write_text("".join(lines[:length]))
        message = refusal(run, CONFIG)
        assert message == (
            f"{run.config}: cut short (it does not end with three dots); delete {run.config}, and the same command "
            "writes it again"
        )
    run.config.unlink()
    claim(run, CONFIG)
    assert run.config.read_text() == "".join(lines)
    run.config.write_text("".join(lines[1:5]))
    assert read_config(run), "as in directories from before"
