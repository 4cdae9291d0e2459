"""The dashboard, without a network: its structure against the library's own schema."""

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
from helpers.command import in_process
from helpers.tiny_lottery import lottery

workspaces = pytest.importorskip("wandb_workspaces.workspaces.internal", reason="the extra `dashboards`")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dashboard of a lottery and of a language model, as files; the runs are beside it."""
    root = tmp_path_factory.mktemp("dashboard")
    lottery(root / "runs/tiny", rounds=1).run()
    (root / "runs/tiny/config.yaml").write_text("pruning: {rounds: 1}\n")
    fit = root / "runs/trees/seed_0"
    fit.mkdir(parents=True)
    (fit / "config.yaml").write_text("seed_everything: 0\n")
    (fit / "metrics.csv").write_text("iteration,val_loss,val_perplexity,uf1_layer_1\n10,4.0,54.6,31.0\n")
    done = in_process("dashboard", "runs/tiny", "runs/trees", "--json", "made", "--entity", "us", cwd=root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["workspace: made/workspace.json", "report: made/report.json"]
    return root / "made"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def lines(panels: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The metrics of line plots by their title."""
    configs = [panel["config"] for panel in panels if panel["viewType"] == "Run History Line Plot"]
    return {config["chartTitle"]: (config["xAxis"], *config["metrics"]) for config in configs}


def test_a_workspace_has_the_papers_figures(made: Path) -> None:
    view = workspaces.View.model_validate(read(made / "workspace.json"))
    assert (view.entity, view.project, view.display_name) == ("us", "trees-and-tickets", "Trees & Tickets: tiny, trees")
    sections = {
        each["name"]: each["panels"]
        for each in read(made / "workspace.json")["spec"]["section"]["panelBankConfig"]["sections"]
    }
    assert list(sections) == ["Tickets", "Learning curves by density", "Layers", "Trainings", "Trees", "Syntax"]
    assert lines(sections["Tickets"]) == {
        "Test accuracy (%), early stop": ("round/density", "round/early_stop_test_accuracy"),
        "Early-stop iteration": ("round/density", "round/early_stop_iteration"),
        "Test accuracy (%), at the end": ("round/density", "round/final_test_accuracy"),
    }
    assert all(panel["config"]["xLogScale"] for panel in sections["Tickets"])
    assert lines(sections["Trainings"])["Validation perplexity"] == ("trainer/global_step", "val_perplexity")
    (chart,) = sections["Learning curves by density"]
    assert chart["config"]["panelDefId"] == "wandb/lineseries/v0"
    assert "learning_curves/test_accuracy_table" in json.dumps(chart)


def test_a_report_has_the_same_panels_of_the_experiments_runs(made: Path) -> None:
    internal = pytest.importorskip("wandb_workspaces.reports.v2.internal")
    report = internal.ReportViewspec.model_validate(read(made / "report.json"))
    grids = [block for block in report.spec.blocks if isinstance(block, internal.PanelGrid)]
    assert len(grids) == 6
    for grid in grids:
        assert [runs.name for runs in grid.metadata.run_sets] == ["tiny", "trees"]
    assert "tiny" in json.dumps(read(made / "report.json")["spec"]["blocks"][3]["metadata"]["runSets"][0]["filters"])


def test_what_cannot_be_done_is_one_line(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = made.parent
    (runs / "runs/empty/seed_0").mkdir(parents=True)
    (runs / "runs/empty/seed_0/config.yaml").write_text("seed_everything: 0\n")
    done = in_process("dashboard", "runs/empty", cwd=runs)
    assert (done.returncode, done.stderr) == (2, "error: runs/empty/seed_0: nothing has been measured there yet\n")

    offered = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("wandb_workspaces"):
            raise ImportError
        return offered(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    done = in_process("dashboard", "runs/tiny", cwd=runs)
    said = "error: dashboard needs the extra dashboards: pip install 'trees-and-tickets[dashboards]'\n"
    assert (done.returncode, done.stderr) == (2, said)
