"""docs/results.md: every section says what its figures are of, and `make results` writes its tables."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = (REPOSITORY / "docs/results.md").read_text()
SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]


@pytest.fixture(scope="module")
def results() -> ModuleType:
    """docs/results.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("docs_results", REPOSITORY / "docs/results.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.partition("\n")[0])
def test_every_section_names_the_commit_of_its_figures(section: str) -> None:
    assert re.search(r"\bcommit\s[0-9a-f]{7}", section)


def test_the_makefile_makes_them_again() -> None:
    assert "results: $(READY)\n\t$(BIN)/python docs/results.py\n" in (REPOSITORY / "Makefile").read_text()


def test_the_page_has_the_places_of_the_tables(results: ModuleType) -> None:
    page = results.replaced(PAGE, "grammar", ["new"])
    page = results.replaced(page, "syntax", ["new"])
    assert page.count("\nnew\n") == 2
    assert results.replaced(page, "grammar", ["new"]) == page
    with pytest.raises(ValueError, match="no <!-- other, by make results -->"):
        results.replaced(PAGE, "other", [])


def test_trees_are_told_as_means_and_ranges(results: ModuleType) -> None:
    def scores(all_words: float, short: float) -> list[dict[str, str]]:
        names = {"balanced": (0.25, 0.5), "layer 1, shen2018": (all_words, short)}
        return [
            {"name": name, "max_words": limit, "sentence_f1": str(value)}
            for name, pair in names.items()
            for limit, value in zip(("", "10"), pair, strict=True)
        ]

    assert results.tree_table([scores(0.5, 0.6), scores(0.7, 0.9)])[2:] == [
        "| balanced | 50.0 | 25.0 |",
        "| layer 1, `shen2018` | 75.0 (60.0-90.0) | 60.0 (50.0-70.0) |",
    ]


def test_perplexities_are_those_that_test_prints(results: ModuleType) -> None:
    printed = (
        "│      test_perplexity      │    14.34 │\n│   test_perplexity_exact   │    14.3505 │\n"
        "│  test_perplexity_optimal  │     12.8692 │\n"
    )
    found = results.metrics(printed)
    assert found == {
        "test_perplexity": 14.34,
        "test_perplexity_exact": 14.3505,
        "test_perplexity_optimal": 12.8692,
    }
    assert results.perplexity_table([found, found])[2:] == [
        "| least that any model can have (inside algorithm) | 12.87 |",
        "| ON-LSTM, seeds 0, 1 | 14.35, 14.35 |",
    ]


def test_the_tables_are_those_of_the_rows_beside_the_page(results: ModuleType) -> None:
    """Nobody edits one and not the other."""
    table = [line for line in SECTIONS[-1].splitlines() if line.startswith("|")]
    paths = [REPOSITORY / f"docs/syntax/grammar_{net}.csv" for net in ("on_lstm", "lstm")]
    assert results.syntax_table(table, *paths) == table
    assert sum("across" in line for line in table) == 8


def test_what_made_them_is_one_sentence(results: ModuleType) -> None:
    told = results.made_on("1234567")
    assert re.fullmatch(
        r"Made by `make results` at commit 1234567, one thread of .+ \(.+\), torch .+, lightning .+\.", told
    )
