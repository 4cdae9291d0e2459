"""Methods and scores as a configuration names them."""

from typing import Any

import pytest

from app.common.errors import UserError
from app.common.plugins import build


class Animal:
    """The base."""

    def __init__(self, legs: int = 4) -> None:
        if legs < 0:
            raise UserError(f"legs is {legs}; expected 0 or more")
        self.legs = legs


class Dog(Animal):
    """A known one."""


class Stone:
    """Something else."""


HERE = __name__
KNOWN: dict[str, type[Animal]] = {"dog": Dog}


def made(spec: Any) -> Animal:
    return build(spec, KNOWN, Animal, "zoo.animals")


def test_an_object_is_taken_as_it_is() -> None:
    animal = Animal(3)
    assert made(animal) is animal


@pytest.mark.parametrize(
    ("spec", "kind", "legs"),
    [
        ("dog", Dog, 4),
        (f"{HERE}.Animal", Animal, 4),
        ({"class_path": "dog"}, Dog, 4),
        ({"class_path": "dog", "init_args": {"legs": 3}}, Dog, 3),
        ({"class_path": f"{HERE}.Dog", "init_args": None}, Dog, 4),
        ({"class_path": f"{HERE}.Animal", "init_args": {"legs": 2}}, Animal, 2),
    ],
)
def test_a_name_a_class_path_or_a_mapping(spec: Any, kind: type, legs: int) -> None:
    animal = made(spec)
    assert type(animal) is kind
    assert animal.legs == legs
    assert made(spec) is not animal


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("cat", "zoo.animals is 'cat'; expected one of dog, or the path of a class"),
        ("", "zoo.animals is ''; expected one of dog"),
        (".Dog", "zoo.animals is '.Dog'; expected one of dog"),
        ("..Dog", "zoo.animals: ..Dog cannot be imported"),
        ("no.such.module.Dog", "zoo.animals: no.such.module.Dog cannot be imported"),
        (f"{HERE}.Cat", f"zoo.animals: {HERE}.Cat cannot be imported"),
        (f"{HERE}.", f"zoo.animals: {HERE}. cannot be imported"),
        (f"{HERE}..Dog", "cannot be imported"),
        (f"{HERE}.Stone", f"{HERE}.Stone is not a subclass of {HERE}.Animal"),
        (f"{HERE}.KNOWN", f"{HERE}.KNOWN is not a subclass of {HERE}.Animal"),
        (None, "zoo.animals is None; expected a name, or class_path and init_args"),
        (3, "zoo.animals is 3; expected a name"),
        (Dog, "expected a name"),
        (["dog"], "zoo.animals is ['dog']; expected a name"),
        ({}, "zoo.animals is {}; expected a name"),
        ({"init_args": {}}, "expected a name, or class_path and init_args"),
        ({"class_path": "dog", "init_args": 3}, "expected a name, or class_path and init_args"),
        ({"class_path": "dog", "init_args": "legs"}, "expected a name, or class_path and init_args"),
        ({"class_path": "dog", "init_args": {"arms": 3}}, "zoo.animals: dog: .*arms"),
        ({"class_path": "dog", "init_args": {3: 3}}, "zoo.animals: dog: "),
        ({"class_path": "dog", "init_args": {"legs": "four"}}, "zoo.animals: dog: "),
        ({"class_path": "dog", "init_args": {"legs": -1}}, "legs is -1; expected 0 or more"),
        ({"class_path": None}, "zoo.animals is 'None'; expected one of dog"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(spec: Any, says: str) -> None:
    with pytest.raises(UserError) as raised:
        made(spec)
    for part in says.split(".*"):
        assert part in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_module_that_breaks_on_import(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_zoo.py").write_text("import no_such_package_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        UserError,
        match=r"broken_zoo\.Dog cannot be imported \(ModuleNotFoundError: No module named 'no_such_package_at_all'",
    ):
        made("broken_zoo.Dog")
