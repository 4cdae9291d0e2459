"""SyntaxGym's formulas, against Python's own evaluation of the same expression."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.errors import UserError
from app.syntax.formulas import ALL, read_formula

REGIONS = {
    (condition, region): float(7 * region + place) for place, condition in enumerate("ab") for region in range(4)
}

term = st.builds("({};%{}%)".format, st.sampled_from(["*", "1", "2", "3"]), st.sampled_from("ab"))
side = st.recursive(
    st.one_of(term, st.sampled_from(["2", "0.5"])),
    lambda inner: st.builds("{}{} {} {}{}".format, st.just("["), inner, st.sampled_from("+-"), inner, st.just("]")),
    max_leaves=4,
)
comparison = st.builds("({} {} {})".format, side, st.sampled_from("<>="), side)
formula = st.recursive(
    comparison, lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("&|"), inner), max_leaves=4
)


def in_python(text: str) -> bool:
    """The same by Python: brackets are there around every operation."""
    python = text.replace("[", "(").replace("]", ")").replace("=", "==").replace("&", " and ").replace("|", " or ")

    def value(found: re.Match[str]) -> str:
        return str(REGIONS[found[2], ALL if found[1] == "*" else int(found[1])])

    return bool(eval(re.sub(r"\(([*123]);%([ab])%\)", value, python)))


@given(formula)
def test_formulas_mean_what_python_says(text: str) -> None:
    found = read_formula(text, "here")
    assert found.holds(REGIONS) == in_python(text)
    named = {(c, 0 if r == "*" else int(r)) for r, c in re.findall(r"\(([*\d]);%(\w)%\)", text)}
    assert set(found.terms) == named


def test_signs_bind_as_syntaxgym_has_them() -> None:
    def holds(text: str) -> bool:
        return read_formula(text, "here").holds(REGIONS)

    assert holds("(2;%a%) - (1;%a%) - 2 > 4")  # 14 - 7 - 2
    assert not holds("(2;%a%) - ((1;%a%) - 2) < 4")
    assert holds("(1;%a%) < (1;%b%) & (2;%a%) < (2;%b%)")
    assert holds("(1;%a%)>(1;%b%) | (*;%a%)<(*;%b%)")


@pytest.mark.parametrize(
    "text",
    ["", "(1;%a%)", "(1;%a%) <", "(1;%a%) < (1;%b%))", "(1;%a% < 2", "(1;%a%) < 2 < 3", "f(x) < 2", "(((1;%a%) < 2)",
     "[(1;%a%) < 2)", "(" * 300 + "1 < 2" + ")" * 300],
)  # fmt: skip
def test_what_is_no_formula_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^here: the formula"):
        read_formula(text, "here")
