"""What `final_METRIC` says is measured of the trained network, wherever the last validation was."""

import json
from pathlib import Path

import pytest
import torch
from helpers.tiny_lottery import Blobs, TinyNet, lottery
from torch.nn import functional as F

from app.runs.layout import RunLayout
from app.runs.table import read_metrics, read_results
from app.runs.tensors import load_tensors


@pytest.mark.parametrize("interval", [4, 5, 50])
def test_final_values_are_those_of_the_final_weights(
    interval: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers import tiny_lottery

    plain = tiny_lottery.make_trainer
    monkeypatch.setattr(
        tiny_lottery, "make_trainer", lambda *args, **kwargs: plain(*args, **kwargs | {"val_check_interval": interval})
    )
    lottery(tmp_path, rounds=1).run()
    run = RunLayout(tmp_path)
    for row in read_results(run.results):
        files = run.networks()[row.key]
        net, data = TinyNet(), Blobs(batch_size=30)
        net.load_state_dict({name.removeprefix("net."): value for name, value in load_tensors(files.final).items()})
        seeds = json.loads(files.report.read_text())["seeds"]
        data.reseed(split=seeds["split"], order=seeds["order"])
        data.prepare()
        with torch.no_grad():
            for name, loader in zip(("val", "test"), data.val_dataloader(), strict=True):
                ((images, labels),) = list(loader)
                logits = net.eval()(images)
                assert row.value(f"final_{name}_accuracy") == pytest.approx(
                    float((logits.argmax(1) == labels).float().mean())
                )
                assert row.value(f"final_{name}_loss") == pytest.approx(
                    float(F.cross_entropy(logits, labels)), rel=1e-5
                )
        assert row.early_stop_iteration in [each["iteration"] for each in read_metrics(files.metrics)]
