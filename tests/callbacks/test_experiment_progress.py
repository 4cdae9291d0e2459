import io
import logging
import re
import sys
import timeit
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from callbacks.experiment_progress import ExperimentProgress, format_density

WIDTH = 80


class Experiment:
    """An experiment whose trainings take no time but that of a clock that is moved by hand."""

    def __init__(self, total, terminal=False, width=WIDTH):
        self.now, self.stream = 1000.0, io.StringIO()
        console = Console(file=self.stream, force_terminal=terminal, force_interactive=terminal, width=width)
        self.progress = ExperimentProgress(total, console, clock=lambda: self.now)

    def train(self, iterations, *, seconds=1.0, start=0, label="replicate 0 · iterative · round 3", density=0.512):
        """One network, a resumed one where `start` is above 0, at so many seconds per iteration."""
        self.progress.begin(label, density, iterations)
        self.iterate(start, iterations, seconds)
        self.progress.end(f"{label} done")

    def iterate(self, start, stop, seconds):
        trainer = SimpleNamespace(global_step=start)
        self.progress.on_train_start(trainer, None)
        for iteration in range(start, stop):
            self.now += seconds
            trainer.global_step = iteration + 1
            self.progress.on_train_batch_end(trainer, None, None, None, iteration)

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()


def screen(written):
    """What a terminal shows after `written`: the few control sequences that a display of lines is made of."""
    rows, row, column = [""], 0, 0
    for control, text in re.findall(r"(\x1b\[[?\d;]*[A-Za-z]|\r|\n)|([^\x1b\r\n]+)", written):
        if control == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        elif control == "\r":
            column = 0
        elif control.endswith("A"):
            row -= int(control[2:-1])
        elif control == "\x1b[2K":
            rows[row] = ""
        elif text:
            rows[row] = rows[row][:column].ljust(column) + text + rows[row][column + len(text) :]
            column += len(text)
    return "\n".join(row.rstrip() for row in rows).rstrip("\n").split("\n")


def test_densities_have_three_digits():
    assert [format_density(density) for density in (1.0, 0.8, 0.8**3, 0.0358, 0.00104)] == [
        "100 %",
        "80 %",
        "51.2 %",
        "3.58 %",
        "0.104 %",
    ]


def test_a_log_file_gets_a_line_per_network_and_one_every_half_minute():
    experiment = Experiment(total=200)
    with experiment.progress:
        experiment.train(100, seconds=0.1)
        experiment.train(100, seconds=0.7)

    assert experiment.lines == [
        "replicate 0 · iterative · round 3 done · 50 % · 10 s left",
        # at 0.1 s per iteration for 10 s and 0.7 for 30
        "replicate 0 · iterative · round 3 · density 51.2 % · iteration 43/100 · 71 % · 16 s left",
        "replicate 0 · iterative · round 3 · density 51.2 % · iteration 86/100 · 93 % · 5 s left",
        "replicate 0 · iterative · round 3 done · 100 %",
    ]


@pytest.mark.parametrize("start", [0, 90])
def test_what_an_earlier_process_trained_is_done_but_says_nothing_of_speed(start):
    experiment = Experiment(total=500)
    with experiment.progress:
        experiment.progress.skip(100)
        experiment.now += 3600  # nothing is trained yet
        experiment.train(100, seconds=2.0, start=start)
        assert experiment.lines[-1].endswith("done · 40 % · 0:10:00 left")
        # killed after its last iteration: Lightning does not start it again
        experiment.progress.begin("replicate 0 · iterative · round 4", 0.4, 100)
        experiment.progress.end("done")
        assert experiment.lines[-1] == "done · 60 % · 0:06:40 left"


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1))
def test_all_networks_are_a_hundred_per_cent_and_no_fewer_are(networks):
    total = sum(iterations for iterations, _ in networks)
    experiment = Experiment(total)
    behind = 0
    with experiment.progress:
        for iterations, trained_earlier in networks:
            assert (experiment.progress.done, behind < total) == (behind, True)
            if trained_earlier:
                experiment.progress.skip(iterations)
            else:
                experiment.train(iterations)
            behind += iterations
            if not trained_earlier:
                assert ("100 %" in experiment.lines[-1]) == (behind == total)
    assert experiment.progress.done == total


def test_a_terminal_names_everything_in_two_lines_that_do_not_wrap():
    experiment = Experiment(total=200_000, terminal=True)
    with experiment.progress:
        experiment.train(5, label="replicate 0 · iterative · round 0", density=1.0)
        experiment.progress.begin("replicate 10 · random_reinit 2 · round 12", 0.0687, 50_000)
        experiment.iterate(34_000, 34_500, seconds=0.25)

        done, where, bar = screen(experiment.stream.getvalue())
        assert done == "replicate 0 · iterative · round 0 done"
        assert where == "…e 10 · random_reinit 2 · round 12 · density 6.87 % · iteration 34,500/50,000"
        assert re.fullmatch(r"[━╸╺ ]+ 17 % · \d+:\d\d:\d\d left", bar)
        assert max(map(len, (where, bar))) < WIDTH
    assert screen(experiment.stream.getvalue()) == ["replicate 0 · iterative · round 0 done"]


@pytest.mark.parametrize("width", [*range(1, 12), 20, 40, 60])
def test_no_line_wraps_on_a_narrow_terminal(width):
    experiment = Experiment(total=300, terminal=True, width=width)
    with experiment.progress as progress:
        progress.begin("replicate 10 · random_reinit 2 · round 12", 0.0687, 100, worker=0)
        progress.begin("replicate 11", 1.0, 100, worker=1)
        for step in range(1, 11):
            experiment.now += 20
            progress.reach(step, worker=0)
        lines = screen(experiment.stream.getvalue())
        assert len(lines) == 3 or width < 5  # where the bar is blank
        assert max(map(len, lines)) <= max(width - 3, 1)  # room for the terminal to echo a ^C
    assert screen(experiment.stream.getvalue()) == [""]


def test_a_terminal_is_redrawn_five_times_a_second_and_no_more():
    experiment = Experiment(total=10_000, terminal=True)
    with experiment.progress:
        experiment.progress.begin("replicate 0 · iterative · round 0", 1.0, 10_000)
        before = experiment.stream.getvalue().count("iteration")
        experiment.iterate(0, 2000, seconds=0.001)
        assert experiment.stream.getvalue().count("iteration") - before in (9, 10)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupted_terminal_is_left_clean(interruption):
    experiment = Experiment(total=1000, terminal=True)
    streams = sys.stdout, sys.stderr

    def train():
        with experiment.progress:
            experiment.progress.begin("replicate 0 · iterative · round 0", 1.0, 1000)
            experiment.iterate(0, 500, seconds=0.1)
            raise interruption

    with pytest.raises(interruption):
        train()
    written = experiment.stream.getvalue()
    assert screen(written) == [""]
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l"), "the cursor stays hidden"
    assert (sys.stdout, sys.stderr) == streams


def test_messages_appear_above_the_bar(monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    handler = logging.StreamHandler()
    logger = logging.getLogger("test_progress")
    logger.addHandler(handler)
    experiment = Experiment(total=1000, terminal=True)
    with experiment.progress:
        experiment.progress.begin("replicate 0 · iterative · round 0", 1.0, 1000)
        logger.warning("from a logger that keeps its stream")
        print("from a print")
        shown = screen(experiment.stream.getvalue())
    logger.removeHandler(handler)

    assert shown[:2] == ["from a logger that keeps its stream", "from a print"]
    assert shown[2].startswith("replicate 0 · iterative · round 0 · density 100 %")
    assert handler.stream is terminal


@pytest.mark.parametrize("terminal", [False, True])
def test_other_ranks_draw_nothing(monkeypatch, terminal):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    experiment = Experiment(total=100, terminal=terminal)
    with experiment.progress:
        experiment.train(100)
    assert experiment.stream.getvalue() == ""
    assert experiment.progress.done == 100


@pytest.mark.parametrize("terminal", [False, True])
def test_an_iteration_with_nothing_to_draw_costs_next_to_nothing(terminal):
    experiment = Experiment(total=10**9, terminal=terminal)
    trainer = SimpleNamespace(global_step=1)
    with experiment.progress as progress:
        progress.begin("replicate 0 · iterative · round 0", 1.0, 10**9)
        runs = timeit.repeat(lambda: progress.on_train_batch_end(trainer, None, None, None, 0), number=1000, repeat=20)
    assert min(runs) / 1000 < 3e-6


class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


# torch 2.13 says so wherever Lightning 2.6.6 makes a loader.
@pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning")
def test_it_follows_one_trainer_after_another():
    experiment = Experiment(total=6, terminal=True)
    with experiment.progress as progress:
        for round_ in range(2):
            progress.begin(f"round {round_}", 0.8**round_, 3)
            experiment.now += 1  # redrawn at the first iteration
            Trainer(
                accelerator="cpu",
                max_steps=3,
                logger=False,
                callbacks=[progress],
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_checkpointing=False,
            ).fit(Line(), torch.ones(3, 4, 2))
            assert progress.done == 3 * round_ + 1
            progress.end(f"round {round_} done")
    assert screen(experiment.stream.getvalue())[-1] == "round 1 done"
    assert progress.done == 6


def test_trainings_side_by_side_have_a_line_each_and_one_bar():
    experiment = Experiment(total=400, terminal=True)
    with experiment.progress as progress:
        progress.begin("replicate 0", 1.0, 100, worker=0)
        progress.begin("replicate 1", 0.8, 100, worker=1)
        progress.reach(50, worker=1, resumed=True)  # by an earlier process: no measure of speed
        for step in range(1, 11):
            experiment.now += 1
            progress.reach(step, worker=0)
            progress.reach(50 + step, worker=1)
        one, two, bar = screen(experiment.stream.getvalue())
        assert one == "replicate 0 · density 100 % · iteration 10/100"
        assert two == "replicate 1 · density 80 % · iteration 59/100"  # since drawn, the second has told of one more
        assert bar.endswith("17 % · 0:02:54 left")  # 331 to go, at 1.9 a second

        experiment.now += 20
        progress.end("replicate 1 done", worker=1)
        assert screen(experiment.stream.getvalue())[:2] == ["replicate 1 done", one]
        assert progress.done == 110
    assert progress.done == 110


def test_what_is_left_out_is_not_waited_for():
    experiment = Experiment(total=300)
    with experiment.progress as progress:
        progress.begin("replicate 0", 1.0, 100, worker=0)
        progress.begin("replicate 1", 1.0, 100, worker=1)
        experiment.now += 10
        progress.reach(40, worker=1)
        progress.leave_out(200, worker=1)
        assert (progress.done, progress.total) == (0, 100)
        progress.end("replicate 0 done", worker=0)
    assert experiment.lines == ["replicate 0 done · 100 %"]


def test_a_training_that_is_longer_than_estimated_ends_at_its_end():
    """Epochs of windows of random lengths differ by a few iterations."""
    experiment = Experiment(total=100, terminal=True)
    with experiment.progress as progress:
        progress.begin("grammar", None, 100)
        experiment.iterate(0, 103, seconds=1.0)
        where, bar = screen(experiment.stream.getvalue())
        assert where == "grammar · iteration 103/103"
        assert bar.endswith(" 100 %")
        assert "╺" not in bar
        progress.end("grammar done", 103)
        assert (progress.done, progress.total) == (103, 103)


def test_a_training_that_was_resumed_beyond_its_estimate_ends_at_its_end():
    experiment = Experiment(total=100)
    with experiment.progress as progress:
        progress.begin("grammar", None, 100)
        experiment.iterate(102, 103, seconds=40.0)
        progress.end("grammar done", 103)
    assert experiment.lines == ["grammar · iteration 103/103 · 100 %", "grammar done · 100 %"]


def test_a_training_that_is_stopped_early_says_nothing_of_a_speed_that_it_did_not_have():
    experiment = Experiment(total=2000)
    with experiment.progress as progress:
        progress.begin("replicate 0", 1.0, 1000)
        experiment.iterate(0, 10, seconds=1.0)
        progress.end("stopped", 10)
        assert (progress.done, progress.total) == (10, 1010)
        assert experiment.lines == ["stopped · 0 % · 0:16:40 left"]
