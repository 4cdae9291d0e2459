"""`python -m app dashboard`: a W&B workspace and report with the figures of the papers, made from run directories."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.common.arguments import Parser
from app.common.errors import UserError
from app.common.files import unwritable, write_atomically
from app.common.metrics import Metric, Schema, described, headline_metrics
from app.common.printing import one_line
from app.runs.config import read_config
from app.runs.layout import FitLayout, RunDirectory, RunLayout, seed_directories
from app.runs.schema import read_schema
from app.runs.table import EARLY_STOP, FINAL, ITERATION, read_metrics

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import Report
    from wandb_workspaces.workspaces import Workspace

PROJECT = "trees-and-tickets"  # the logger's own default
TITLE = "Trees & Tickets"
DENSITY = "round/density"
STEP = "trainer/global_step"
TREE_METRIC = "uf1_layer_"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is known of an experiment before W&B is asked.

    Args:
        name: W&B's group.
        metrics: that its trainings measure.
        is_lottery: whether it draws tickets.
    """

    name: str
    metrics: Schema
    is_lottery: bool

    @property
    def headline(self) -> list[Metric]:
        """The metrics that stand for a network."""
        return headline_metrics(self.metrics.values())[:2]


def read_experiment(path: Path) -> Experiment:
    """An experiment from its run directory, or from that of one of its seeds.

    Raises:
        UserError: there is no run directory, or nothing has been measured in it.
    """
    if not RunDirectory(path).config.exists() and (seeds := seed_directories(path)):
        path = seeds[0]
    run = RunDirectory(path)
    is_lottery = "pruning" in read_config(run)
    files = RunLayout(path).networks().values() if is_lottery else [FitLayout(path)]
    first = next((each.metrics for each in files if each.metrics.exists()), None)
    if first is None or not (rows := read_metrics(first)):
        raise UserError(f"{path}: nothing has been measured there yet")
    names = [name for name in rows[0] if name != ITERATION]
    metrics = described(read_schema(run).metrics, names)
    name = RunLayout(path).name if is_lottery else path.resolve().parent.name
    return Experiment(name=name, metrics=metrics, is_lottery=is_lottery)


def sections(experiments: Sequence[Experiment]) -> dict[str, list[Any]]:
    """The panels by the title of their section; empty sections are left out.

    Args:
        experiments: whose metrics they draw.
    """
    import wandb_workspaces.reports.v2 as wr

    lotteries = _distinct(metric for each in experiments if each.is_lottery for metric in each.headline)
    fits = _distinct(metric for each in experiments if not each.is_lottery for metric in each.metrics.values())
    found: dict[str, list[Any]] = {}
    if lotteries:
        # Frankle & Carbin, figures 3 to 5: what tickets reach, and how soon, as weights are removed.
        found["Tickets"] = [
            *(_over_density(f"{EARLY_STOP}{metric.name}", f"{metric.heading}, early stop") for metric in lotteries),
            _over_density(f"{EARLY_STOP}iteration", "Early-stop iteration"),
            *(_over_density(f"{FINAL}{metric.name}", f"{metric.heading}, at the end") for metric in lotteries),
        ]
        found["Learning curves by density"] = [
            wr.CustomChart(
                query={"summaryTable": {"tableKey": f"learning_curves/{metric.name}_table"}},
                chart_name="wandb/lineseries/v0",
                chart_fields={"step": ITERATION, "lineKey": "density", "lineVal": metric.name},
                chart_strings={"title": metric.heading},
            )
            for metric in lotteries
        ]
        found["Layers"] = [wr.WeavePanelSummaryTable(table_name="densities_by_layer")]
    trees = [metric for metric in fits if metric.name.startswith(TREE_METRIC)]
    if fits:
        # Shen et al. 2019, section 5.1: perplexity over the training.
        shown = [metric for metric in fits if not metric.detail and metric not in trees]
        found["Trainings"] = [_over_steps(metric) for metric in shown]
    if trees:
        # Section 5.2 and Table 2: which layer parses.
        found["Trees"] = [
            wr.LinePlot(title="Sentence F1 by layer (%)", x=STEP, y=[metric.name for metric in trees]),
            wr.WeavePanelSummaryTable(table_name="parse"),
            wr.WeavePanelSummaryTable(table_name="trees"),
        ]
    if any("perplexity" in metric.name for metric in fits):
        found["Syntax"] = [wr.WeavePanelSummaryTable(table_name="syntax")]  # Table 3
    return found


def build_workspace(experiments: Sequence[Experiment], entity: str, project: str) -> "Workspace":
    """A workspace whose sections are `sections`; runs are grouped by experiment and method."""
    import wandb_workspaces.workspaces as ws

    made = [ws.Section(name=name, panels=panels, is_open=True) for name, panels in sections(experiments).items()]
    runs = ws.RunsetSettings(groupby=[ws.Metric("Group"), ws.Metric("JobType")])
    return ws.Workspace(entity=entity, project=project, name=_title(experiments), sections=made, runset_settings=runs)


def build_report(experiments: Sequence[Experiment], entity: str, project: str) -> "Report":
    """A report with the same panels, of the runs of these experiments alone."""
    import wandb_workspaces.reports.v2 as wr

    blocks: list[Any] = [wr.TableOfContents()]
    for name, panels in sections(experiments).items():
        runsets = [  # of the report's own project
            wr.Runset(name=each.name, filters=f"Group = '{each.name}'", groupby=["run.jobType"]) for each in experiments
        ]
        blocks += [wr.H1(name), wr.PanelGrid(runsets=runsets, panels=panels)]
    return wr.Report(entity=entity, project=project, title=_title(experiments), blocks=blocks, width="fluid")


def main(argv: Sequence[str]) -> int:
    """Make the dashboard that a command line asks for.

    Args:
        argv: what stands after `dashboard` on the command line.

    Returns:
        The exit code: 0.

    Raises:
        UserError: a wrong command line, no run directory, the extra is missing, or W&B refuses.
    """
    parser = Parser(
        prog="python -m app dashboard",
        description="Make a W&B workspace and a report with the figures of the papers for experiments.",
    )
    parser.add_argument("run_dirs", metavar="RUN", nargs="+", type=Path, help="run directories, as for report")
    parser.add_argument("--entity", help="the user or team of the project; W&B's default where it is left out")
    parser.add_argument("--project", default=PROJECT, help=f"the project of the runs; {PROJECT} where it is left out")
    parser.add_argument(
        "--json", metavar="DIR", type=Path, help="write workspace.json and report.json there, and ask no server"
    )
    options = parser.parse_args(argv)
    try:
        import wandb_workspaces  # noqa: F401
    except ImportError:
        raise UserError("dashboard needs the extra dashboards: pip install 'trees-and-tickets[dashboards]'") from None
    if options.json is not None and (reason := unwritable(options.json)):
        raise UserError(f"--json is {options.json}: no place to write ({reason}); name another directory")
    experiments = [read_experiment(path) for path in options.run_dirs]
    entity = options.entity or ("entity" if options.json is not None else _default_entity())
    workspace = build_workspace(experiments, entity, options.project)
    report = build_report(experiments, entity, options.project)
    if options.json is not None:
        for name, made in (("workspace", workspace), ("report", report)):
            write_atomically(options.json / f"{name}.json", json.dumps(plain(made), indent=2) + "\n")
            print(f"{name}: {options.json / f'{name}.json'}")
        return 0
    with _refusals_named():
        print(f"workspace: {workspace.save().url}")
        print(f"report: {report.save().url}")
    return 0


@contextmanager
def _refusals_named() -> Iterator[None]:
    """Turn what W&B says into one line."""
    try:
        yield
    except Exception as error:
        reason = one_line(error) or type(error).__name__
        raise UserError(
            f"W&B does not take the dashboard ({reason}); it needs an account (wandb login), or --json DIR writes it "
            "to files"
        ) from None


def plain(made: "Workspace | Report") -> Any:
    """A workspace or a report as JSON has it, in the library's own schema."""
    return json.loads(made._to_model().model_dump_json(by_alias=True, exclude_none=True))


def _default_entity() -> str:
    import wandb

    with _refusals_named():
        return str(wandb.Api().default_entity)


def _title(experiments: Sequence[Experiment]) -> str:
    return f"{TITLE}: {', '.join(each.name for each in experiments)}"[:128]


def _distinct(metrics: Any) -> list[Metric]:
    return list({metric.name: metric for metric in metrics}.values())


def _over_density(name: str, title: str) -> Any:
    """A mean line for every method, with its least and greatest values, over weights remaining."""
    import wandb_workspaces.reports.v2 as wr

    return wr.LinePlot(
        title=title,
        x=DENSITY,
        y=[f"round/{name}"],
        log_x=True,
        title_x="weights remaining",
        title_y=title,
        groupby="JobType",
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
    )


def _over_steps(metric: Metric) -> Any:
    import wandb_workspaces.reports.v2 as wr

    return wr.LinePlot(title=metric.heading, x=STEP, y=[metric.name], log_y=metric.axis == "log")
