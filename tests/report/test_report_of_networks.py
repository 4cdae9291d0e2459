"""Reports of single networks of a lottery, and what they have in common with others."""

import json
from pathlib import Path

import pytest
from helpers.fits import DATA, write_fit
from helpers.made_up_run import LANGUAGE_METRICS, as_language_model, write_run

from app.report import report
from app.report.document import Document
from app.runs.layout import NetworkKey, RunLayout
from app.runs.table import read_metrics


def stems(document: Document) -> list[str]:
    return [picture.stem for picture in document.pictures]


@pytest.mark.usefixtures("unpainted")
def test_a_lottery_tells_what_it_was_made_with_and_by(tmp_path: Path):
    run = tmp_path / "run"
    write_run(run, rounds=1, replicates=2)
    for key in (NetworkKey(0, "dense", 0), NetworkKey(1, "dense", 0), NetworkKey(1, "iterative", 1)):
        write_network_report(run, key, torch=f"2.1{key.replicate}")
    text = report([run]).markdown.read_text()
    assert "| torch | 2.10 (replicate 0); 2.11 (replicate 1) |" in text
    assert f"| SHA-256 of train.txt | {'ab' * 32} |" in text
    assert text.endswith(f"## Made by\n\n    python -m app report {run}\n")


def write_network_report(run: Path, key: NetworkKey, torch: str = "2.13") -> None:
    notes = {
        "density": 0.8 if key.round else 1.0,
        "seeds": {"init": 1, "order": 22},
        "versions": {"torch": torch},
        "threads": 1,
        "checksums": {"data": DATA, "mask": "00"},
    }
    RunLayout(run).network(key).report.write_text(json.dumps(notes))


@pytest.mark.parametrize(
    "key",
    [NetworkKey(0, "iterative", 1), NetworkKey(1, "random_reinit", 1, 0, of="iterative"), NetworkKey(0, "dense", 0)],
)
def test_one_network_of_a_lottery_is_reported_like_a_training(key: NetworkKey, tmp_path: Path):
    run = tmp_path / "runs/lottery"
    write_run(run, rounds=1, replicates=2, reinits=1)
    (run / "config.yaml").write_text("best: {monitor: val_accuracy, mode: max}\n")
    write_network_report(run, key)
    network = RunLayout(run).network(key)
    files = report([network.root])
    document = files.document
    assert files.html == network.root / "report/report.html"
    assert document.title == f"Training: lottery, {key}"
    assert stems(document) == ["val_loss", "val_accuracy"]
    (section,) = document.sections
    percent = "80.0" if key.round else "100"
    assert section.extent == f"1 network with {percent} % of weights: 11 validations, the last at iteration 1,000."
    assert section.findings.basis == "One network: any difference may be chance."
    assert "where the validation accuracy is highest" in section.findings.by_subject["Test accuracy"][0]
    validations, made = section.tables
    last = read_metrics(network.metrics)[-1]
    assert validations.rows[-1][:2] == ("10", "1,000")
    assert f"{100 * last['val_accuracy']:.2f}" in validations.rows[-1]
    assert ("seed of order", "22") in made.rows
    assert ("SHA-256 of train.txt", DATA["train.txt"]) in made.rows


@pytest.mark.usefixtures("unpainted")
def test_networks_trainings_and_whole_lotteries_may_be_compared(tmp_path: Path):
    run = tmp_path / "lottery"
    write_run(run, rounds=0, replicates=1, measure=as_language_model, metrics=LANGUAGE_METRICS)
    (run / "config.yaml").write_text("seed_everything: 0\n")
    key = NetworkKey(0, "dense", 0)
    write_network_report(run, key)
    network, fit = RunLayout(run).network(key).root, write_fit(tmp_path, "fit")
    document = report([network, fit], tmp_path / "out").document
    assert [section.name for section in document.sections] == ["lottery, replicate 0, dense, round 0", "fit"]
    assert stems(document) == ["val_perplexity", "uf1_layers"]
    together = report([network, run], tmp_path / "both").document
    assert together.title.startswith("Lottery tickets: lottery; Training: lottery, ")
    assert [section.heading for section in together.sections] == ["lottery", "lottery, replicate 0, dense, round 0"]
    assert stems(together) == [*stems(report([run], tmp_path / "alone").document), "val_perplexity"]
