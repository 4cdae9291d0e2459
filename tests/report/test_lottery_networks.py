"""The single networks behind a lottery's figures, unfinished ones among them."""

from pathlib import Path

from helpers.made_up_run import METRICS, write_run

from app.report.configurations import read_configurations
from app.report.lottery_document import methods_of
from app.report.lottery_networks import network_curves, network_values
from app.report.lottery_run import read_lotteries
from app.report.metrics import EARLY_STOP_ITERATION
from app.runs.table import read_metrics, read_results, write_results


def test_networks_in_training_have_curves_and_no_values(tmp_path: Path):
    write_run(tmp_path / "run", rounds=2, replicates=2)
    results = tmp_path / "run/results.csv"
    *finished, last = read_results(results)
    write_results(results, finished)
    (lottery,) = read_lotteries([tmp_path / "run"])
    methods = methods_of([lottery])
    assert list(lottery.running) == [last.key]
    assert [each.value for each in network_values(lottery, EARLY_STOP_ITERATION, methods)] == [
        row.early_stop_iteration for row in finished
    ]
    *others, curve = network_curves(lottery, METRICS[-1], methods)
    assert (len(others), any(each.running for each in others)) == (len(finished), False)
    assert (curve.running, curve.replicate, curve.round, curve.density) == (True, 1, 2, finished[-3].density)
    rows = read_metrics(lottery.running[last.key].metrics)
    assert list(curve.values) == [row["test_accuracy"] for row in rows]


def test_configurations_are_text(tmp_path: Path):
    write_run(tmp_path / "run", rounds=0, replicates=1)
    assert read_configurations([tmp_path / "run"]) == {}
    (tmp_path / "run/config.yaml").write_text("a: !!python/object/apply:os.system [x]\n")
    assert read_configurations([tmp_path / "run"])[str(tmp_path / "run")].startswith("a: !!python")
