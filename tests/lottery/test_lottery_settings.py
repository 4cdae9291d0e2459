"""The lottery's options: what they make, what they refuse, and how those of a run directory grow."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.lottery.methods import Dense, Iterative, Method, OneShot, Origin, RandomMask
from app.lottery.settings import GROWING, Pruning, merge, read_settings
from app.pruning import Magnitude, Score
from app.runs.layout import NetworkKey


class Own(Method):
    """A user's method."""

    name = "own"

    def __init__(self, strength: float = 1.0) -> None:
        super().__init__()
        self.strength = strength

    def needs(self, key: NetworkKey, methods: Any) -> tuple[NetworkKey, ...]:
        return ()

    def origin(self, key: NetworkKey, finished: Any) -> Origin:
        raise NotImplementedError


class Orphan(Own):
    """A control of tickets that nobody makes."""

    name, of = "orphan", "nobody"


class Nameless(Own):
    """A method whose author forgot that it needs a name."""

    name = ""


class Outside(Own):
    """A method whose directories would lie elsewhere."""

    name = "../outside"


OWN = f"{__name__}.Own"


def refusal(**options: Any) -> str:
    with pytest.raises(UserError) as raised:
        Pruning(**options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def names(settings: Pruning) -> list[str]:
    return settings.method_names


def test_what_is_trained_where_nothing_is_said() -> None:
    assert [key.path for key in Pruning(rounds=2).networks()] == [
        *("replicate_0/round_00", "replicate_0/iterative/round_01", "replicate_0/iterative/round_02")
    ]
    assert len(list(Pruning().networks())) == 16
    assert isinstance(Pruning().built_score, Magnitude)


@pytest.mark.parametrize(
    "spec",
    [OWN, {"class_path": OWN}, {"class_path": OWN, "init_args": {"strength": 2.0}}, Own(2.0)],
    ids=["class path", "mapping", "arguments", "object"],
)
def test_a_users_method(spec: Any) -> None:
    settings = Pruning(rounds=1, methods=["iterative", spec])
    assert names(settings) == ["dense", "iterative", "own"]
    made = settings.method(NetworkKey(0, "own", 1))
    assert isinstance(made, Own)
    if not isinstance(spec, str) and spec != {"class_path": OWN}:
        assert made.strength == 2.0
    assert settings.all_methods is settings.all_methods, "made once"


def test_the_order_does_not_depend_on_how_it_was_written() -> None:
    orders = [
        ["one_shot", OWN, "iterative"],
        [OWN, "iterative", "one_shot"],
        ["iterative", "dense", {"class_path": OWN}, OneShot()],
        [RandomMask(branches=3), "one_shot", Iterative(), Own()],
    ]
    for methods in orders:
        controls = {} if any(isinstance(spec, RandomMask) for spec in methods) else {"random_mask": 3}
        settings = Pruning(rounds=2, methods=methods, random_reinit=1, **controls)
        assert names(settings) == ["dense", "iterative", "one_shot", "own", "random_reinit", "random_mask"]


@given(
    st.integers(0, 3),
    st.integers(1, 3),
    st.lists(st.sampled_from(["iterative", "one_shot", OWN]), unique=True),
    st.integers(0, 2),
    st.integers(0, 2),
)
def test_all_networks_replicate_by_replicate(
    rounds: int, replicates: int, methods: list[str], reinit: int, mask: int
) -> None:
    if "iterative" not in methods:
        reinit = mask = 0
    settings = Pruning(rounds=rounds, replicates=replicates, methods=methods, random_reinit=reinit, random_mask=mask)
    wanted = []
    for replicate in range(replicates):
        wanted.append((replicate, "dense", 0, 0))
        for name, spec in (("iterative", "iterative"), ("one_shot", "one_shot"), ("own", OWN)):
            wanted += [(replicate, name, round + 1, 0) for round in range(rounds) if spec in methods]
        for name, branches in (("random_reinit", reinit), ("random_mask", mask)):
            wanted += [(replicate, name, round + 1, branch) for branch in range(branches) for round in range(rounds)]
    keys = list(settings.networks())
    assert [(key.replicate, key.method, key.round, key.branch) for key in keys] == wanted
    assert len({key.path for key in keys}) == len(keys)


@pytest.mark.parametrize("name", ["rounds", "least_per_layer", "random_reinit", "random_mask", "replicates", "workers"])
def test_numbers_below_what_makes_sense(name: str) -> None:
    least = {"replicates": 1, "workers": 1}.get(name, 0)
    assert refusal(**{name: least - 1}) == f"pruning.{name} is {least - 1}; expected {least} or more"
    Pruning(**{name: least})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"methods": ["iterative", "iterative"]}, "iterative is there twice"),
        ({"methods": ["iterative", "app.lottery.methods.Iterative"]}, "iterative is there twice"),
        ({"methods": ["iterative", RandomMask()], "random_mask": 1}, "random_mask is there twice"),
        ({"methods": [OWN, {"class_path": OWN, "init_args": {"strength": 3.0}}]}, "own is there twice"),
        ({"methods": ["one_shot"], "random_mask": 1}, "random_mask is a control of iterative tickets; add iterative"),
        ({"methods": [], "random_reinit": 2}, "random_reinit is a control of iterative tickets"),
        ({"methods": [f"{__name__}.Orphan"]}, "orphan is a control of nobody tickets; add nobody to methods"),
        ({"methods": ["one_shot"], "scope": "kind"}, "with scope: kind add iterative to methods"),
        ({"methods": ["one_shot"], "scope": "global"}, "with scope: global add iterative to methods"),
        ({"rates": {"fc": 0.2, "output": 0.1}, "scope": "global"}, "at one rate, and rates has fc 0.2, output 0.1"),
        ({"methods": ["iteratively"]}, "pruning.methods is 'iteratively'; expected one of dense, iterative"),
        ({"methods": ["app.pruning.Magnitude"]}, "app.pruning.Magnitude is not a subclass of"),
        ({"methods": ["app.lottery.methods.Method"]}, "abstract"),
        ({"methods": [f"{__name__}.Nameless"]}, "Nameless"),
        ({"methods": [f"{__name__}.Outside"]}, "../outside"),
        ({"keep": ["final", "middle"]}, "pruning.keep names middle; choose among final, start, best"),
        ({"rates": {"fc": 2}}, "rates.fc is 2"),
        ({"rewind_to": "soon"}, "rewind_to is 'soon'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "options",
)
def test_what_does_not_go_together(options: dict[str, Any], says: str) -> None:
    assert says in refusal(**options)


def test_a_score_that_is_none() -> None:
    with pytest.raises(UserError, match=r"pruning\.score is 'size'; expected one of magnitude"):
        _ = Pruning(score="size").built_score
    assert isinstance(Pruning(score="app.pruning.Magnitude").built_score, Score)


def test_usual_rates_where_none_are_given() -> None:
    kinds = {"a": "fc", "b": "conv", "c": "output"}
    assert Pruning().rates_for(kinds) == {"fc": 0.2, "conv": 0.2, "output": 0.1}
    assert Pruning(rates={"fc": 0.5}).rates_for(kinds) == {"fc": 0.5}
    assert Pruning(scope="global").rates_for(kinds) == {"fc": 0.2, "conv": 0.2, "output": 0.2}


def test_reading_what_a_directory_was_made_with() -> None:
    assert read_settings({"rounds": 3}, "x").resume_schedule is False, "from before there was the option"
    assert read_settings({"rounds": 3, "resume_schedule": True}, "x").resume_schedule
    for options in ({"ronds": 3}, {"rounds": "3"}, {"methods": 3}, {"keep": None}, {"rounds": None}):
        with pytest.raises(UserError, match=r"^x: no lottery's configuration") as raised:
            read_settings(options, "x")
        assert "\n" not in str(raised.value)


# Growing


def grown(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    before = deepcopy((theirs, ours))
    merged = merge({"pruning": theirs, "trainer": {"max_steps": 3}}, {"pruning": ours, "trainer": {"max_steps": 4}})
    assert (theirs, ours) == before, "the arguments are left as they are"
    assert merged["trainer"] == {"max_steps": 3}
    return merged["pruning"]  # type: ignore[no-any-return]


lotteries = st.fixed_dictionaries(
    {
        "rounds": st.integers(0, 4),
        "replicates": st.integers(1, 3),
        "random_reinit": st.integers(0, 2),
        "random_mask": st.integers(0, 2),
        "methods": st.lists(st.sampled_from(["one_shot", OWN]), unique=True).map(lambda more: ["iterative", *more]),
        "keep": st.lists(st.sampled_from(["final", "start", "best"]), unique=True),
    }
)


@given(lotteries, lotteries)
def test_a_directory_grows_and_never_shrinks(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    merged = grown(theirs, ours)
    whole, old, new = Pruning(**merged), Pruning(**theirs), Pruning(**ours)
    networks = {key.path for key in whole.networks()}
    assert networks >= {key.path for each in (old, new) for key in each.networks()}
    assert set(merged["keep"]) == {*theirs["keep"], *ours["keep"]}
    assert set(whole.method_names) == {*old.method_names, *new.method_names}
    for name in ("rounds", "replicates", "random_reinit", "random_mask"):
        assert merged[name] == max(theirs[name], ours[name])
    assert grown(merged, theirs) == grown(merged, ours) == grown(merged, merged) == merged


def test_what_does_not_grow_stays_the_directorys() -> None:
    theirs = {"rounds": 2, "plan": False, "workers": 1, "rates": {"fc": 0.2}, "methods": ["iterative"]}
    ours = {"rounds": 1, "plan": True, "workers": 8, "rates": {"fc": 0.2}, "methods": ["iterative"]}
    assert grown(theirs, ours) == theirs
    numbers = {"rounds", "replicates", "random_reinit", "random_mask", "random_ticket"}
    assert set(GROWING) == {*numbers, "methods", "from_ticket", "keep"}


def test_a_directory_from_before_an_option_gets_it() -> None:
    assert grown(
        {"rounds": 2, "methods": ["iterative"]}, {"rounds": 1, "methods": ["iterative"], "random_mask": 1}
    ) == {
        "rounds": 2,
        "methods": ["iterative"],
        "random_mask": 1,
    }
    with_arguments = {"class_path": OWN, "init_args": {"strength": 2.0}}
    assert grown({"methods": ["iterative"]}, {"methods": [with_arguments]})["methods"] == ["iterative", with_arguments]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"class_path": OWN, "init_args": {"strength": 2.0}}, {"class_path": OWN, "init_args": {"strength": 3.0}}),
        ({"class_path": OWN, "init_args": {"strength": 2.0}}, {"class_path": OWN}),
        (OWN, {"class_path": OWN, "init_args": {"strength": 2.0}}),
        ({"class_path": OWN, "init_args": {"strength": 2.0}}, OWN),
    ],
)
def test_a_method_of_other_arguments_is_refused(old: Any, new: Any) -> None:
    with pytest.raises(UserError, match=r"own was .* in this run directory and is .* now; choose") as raised:
        grown({"methods": ["iterative", old]}, {"methods": ["iterative", new]})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OWN, {"class_path": OWN}),
        ({"class_path": OWN, "init_args": {}}, OWN),
        ({"class_path": OWN, "init_args": None}, {"class_path": OWN}),
        ("one_shot", "app.lottery.methods.OneShot"),
        ("app.lottery.methods.one_shot.OneShot", "one_shot"),
        ({"class_path": "one_shot"}, "one_shot"),
        ("app.lottery.methods.SNIP", "app.lottery.methods.SNIPAtInit"),
        (
            {"class_path": "app.lottery.methods.GraSP", "init_args": {"temperature": 1.0}},
            {"class_path": "grasp", "init_args": {"temperature": 1.0}},
        ),
        ("app.lottery.methods.SynFlow", "synflow"),
        ("app.lottery.methods.SameSign", "same_sign"),
    ],
)
def test_one_method_written_in_two_ways_stays_one(old: Any, new: Any) -> None:
    merged = grown({"methods": ["iterative", old]}, {"methods": ["iterative", new]})
    assert merged["methods"] == ["iterative", old]
    Pruning(**merged)


def test_what_does_not_go_together_is_refused_before_it_is_written() -> None:
    control = {"class_path": "app.lottery.methods.RandomMask", "init_args": {"branches": 2}}
    with pytest.raises(UserError, match="random_mask is there twice"):
        grown({"methods": ["iterative", control]}, {"methods": ["iterative"], "random_mask": 1})


def test_the_dense_network_is_always_there_once() -> None:
    assert names(Pruning(methods=[])) == ["dense"]
    assert names(Pruning(methods=["dense", "iterative"])) == ["dense", "iterative"]
    assert isinstance(Pruning(methods=["dense"]).all_methods[0], Dense)
