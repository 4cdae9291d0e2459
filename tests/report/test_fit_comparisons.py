"""Experiments of `fit` beside the first: pairs of seeds, what is claimed, and the file of numbers."""

import csv
import io
from dataclasses import replace

from helpers.fits import made_up, write_fit

from app.common.metrics import perplexity
from app.report.build import read_document
from app.report.fit_comparisons import at_best, compare_fits, fit_comparison, fit_comparisons
from app.report.fit_run import FitRun

MINUS = "\N{MINUS SIGN}"


def experiment(name: str, *perplexities: float, seeds: tuple[int, ...] = (0, 1, 2)) -> FitRun:
    """One training per seed, whose second of three validations is the best."""
    made = made_up(
        *(
            [
                {"iteration": 10.0 * place, "val_loss": loss, "val_perplexity": value * factor}
                for place, (loss, factor) in enumerate(((3.0, 2.0), (1.0, 1.0), (2.0, 0.5)), start=1)
            ]
            for value in perplexities
        ),
        name=name,
    )
    trainings = [
        replace(training, provenance=replace(training.provenance, seeds={"seed": seed}))
        for training, seed in zip(made.trainings, seeds, strict=False)
    ]
    return replace(made, trainings=trainings)


def test_seeds_are_paired_at_their_best_validations():
    first, other = experiment("lstm", 100.0, 200.0, 400.0), experiment("on", 90.0, 184.0, 356.0)
    assert at_best(first, perplexity("val_perplexity")) == {0: 100.0, 1: 200.0, 2: 400.0}
    (found,) = [each for each in compare_fits(other, first) if each.metric.name == "val_perplexity"]
    # Logarithms of 0.90, 0.92 and 0.89: mean −0.10176, deviation 0.01687, half 4.3027 · 0.01687 / √3 = 0.04190.
    assert found.written == f"{MINUS}9.7 %, 95 % interval {MINUS}13.4 to {MINUS}5.8"
    assert found.verdict == "better"
    (sentence,) = fit_comparison(other, first)
    assert sentence.endswith(
        "where the validation loss is least: 210.00 against 233.33 over 3 seeds "
        f"({MINUS}9.7 %, 95 % interval {MINUS}13.4 to {MINUS}5.8: better)."
    )


def test_only_seeds_that_both_have_are_compared():
    first, other = experiment("a", 100.0, 200.0), experiment("b", 1.0, 190.0, seeds=(7, 1))
    (sentence,) = fit_comparison(other, first)
    assert "190.00 against 200.00 over 1 seed (" in sentence
    assert "interval" not in sentence
    assert fit_comparison(experiment("c", 5.0, seeds=(9,)), first) == ["No seed in common with a: not compared."]
    assert fit_comparison(replace(other, noun="network"), first) == []


def test_every_pair_of_experiments_is_in_the_file():
    fits = [experiment(name, *values) for name, values in (("a", (1.0, 2.0)), ("b", (2.0, 3.0)), ("c", (4.0, 1.0)))]
    rows = list(csv.DictReader(io.StringIO(fit_comparisons(fits)["comparisons.csv"])))
    assert [(row["experiment"], row["against"]) for row in rows] == [("b", "a"), ("c", "a"), ("c", "b")]
    assert [row["seeds"] for row in rows] == ["2", "2", "2"]
    assert (rows[0]["difference"], rows[0]["low"], rows[0]["verdict"]) == ("1.0", "", "no difference seen")


def test_a_report_of_several_experiments_compares_them(tmp_path):
    for seed in range(3):
        write_fit(tmp_path, "good", seed, 4, floor=60.0)
        write_fit(tmp_path, "bad", seed, 4, floor=90.0)
    document = read_document([tmp_path / "good", tmp_path / "bad"], "command")
    first, second = (section.findings.by_subject for section in document.sections)
    assert "Beside good" not in {**first}
    perplexities, *_, basis = second["Beside good"]
    assert ": worse)." in perplexities
    assert basis.startswith("Means over 3 seeds. Intervals are 95 % intervals (Student's t)")
    assert list(document.tables) == ["comparisons.csv"]
    assert read_document([tmp_path / "good"], "command").tables == {}
