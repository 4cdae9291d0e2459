"""The command: tables on stdout, progress on stderr, all values in the JSON file."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.__main__ import main
from app.bench import command, images, machine, workers
from app.bench.image_training import PeakMemory
from app.bench.sizes import FULL, QUICK, SMALL, LayerSize
from app.common import processor
from datamodules.in_memory_data_module import SplitSizes

TINY = replace(
    QUICK,
    layers=(LayerSize(5, 2, 6, 10), LayerSize(5, 2, 6, 20)),
    layer_seconds=0,
    equal_layers=(LayerSize(5, 2, 6, 10),),
    softmax=(8,),
    words=50,
    predictions=12,
    softmax_seconds=0,
    images=SplitSizes(150, 40, 50),
    iterations=4,
    eval_every=2,
    loop_seconds=0,
    evaluations=2,
    worker_iterations=2,
    worker_pairs=2,
    small=replace(SMALL, embedding=20, layers=(30, 20)),
    paper=replace(SMALL, name="paper", embedding=20, layers=(30, 30, 20)),
    batch=3,
    bptt=6,
    step_seconds=0,
    nets=("LeNet",),
    image_seconds=0,
    sparse=LayerSize(5, 2, 6, 20),
    sparse_seconds=0,
)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "QUICK", TINY)
    # Real lotteries start processes that import everything anew; see test_bench_workers.
    monkeypatch.setattr(workers, "run_lottery", lambda n, sizes: workers.LotterySeconds(10.0 / n + 5.0, 10.0 / n))
    monkeypatch.setattr(images, "peak_memory", lambda name, threads: PeakMemory(300 * 2**20, 2**20))
    monkeypatch.setattr(sys, "argv", ["app"])


def test_everything_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, threads = tmp_path / "bench.json", torch.get_num_threads()
    assert main(["bench", "--quick", "--json", str(path), "--threads", "1"]) == 0
    out, err = capsys.readouterr()
    assert torch.get_num_threads() == threads
    for section in command.SECTIONS:
        assert section.title in out
    assert "torch" in out.splitlines()[0]
    assert "1 thread" in out.splitlines()[1]
    assert "lottery loop" in err
    assert "left" in err
    assert all(len(line) <= command.NARROWEST for line in out.splitlines()[3:]), "a table was wrapped"

    found = json.loads(path.read_text())
    assert found["quick"]
    assert (found["seed"], found["threads"]) == (0, 1)
    # Of PyPI's build with CUDA the package's version does not name the build, and torch's own does.
    assert found["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["sizes"]["layers"][1] == {"time": 5, "batch": 2, "features": 6, "hidden": 20}
    assert list(found["sections"]) == [section.name for section in command.SECTIONS]
    for name, rows in found["sections"].items():
        assert rows, name
    comparisons = [row for rows in found["sections"].values() for row in rows if "ours_seconds" in row]
    assert all(len(row["ours_seconds"]) >= 2 and min(row["ours_seconds"]) > 0 for row in comparisons)
    assert len([row for row in found["sections"]["layer"] if "ours_seconds" in row]) >= 6


def test_only_some_sections(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--quick", "--only", "softmax", "equality"]) == 0
    out, _ = capsys.readouterr()
    titles = [section.title for section in command.SECTIONS if section.title in out]
    assert titles == [section.title for section in command.SECTIONS if section.name in ("softmax", "equality")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "layers"], "invalid choice: 'layers'"),
        (["--threads", "0"], "'0' is not a whole number from 1 to 1024"),
        (["--threads", "two"], "'two' is not a whole number from 1 to 1024"),
        (["--json", "/dev/null/bench.json"], "--json is /dev/null/bench.json; name a file that can be written"),
        (["--figure", "bench.jpg"], "--figure is bench.jpg; its name ends with .svg, .png, .pdf"),
        (["--figure", "x.svg", "--only", "loop"], "--figure is drawn of the table sparse; add sparse to --only"),
        (["--figure", "/dev/null/x.svg"], "--figure is /dev/null/x.svg; name a file that can be written"),
        (["--json", "."], "--json is .; name a file that can be written"),
        (["--json", __file__], "which is there already and not of the benchmark; name another file"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit(1)], ids=["its own", "as Lightning passes it on"])
def test_ctrl_c_says_what_is_left(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object) -> None:
        raise error

    monkeypatch.setattr(command, "bench", stopped)
    with pytest.raises(SystemExit) as ended:
        main(["bench"])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "stopped; the tables printed so far are complete\n"


def test_without_the_processors_products_bf16_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "CPUINFO", cpuinfo)
    monkeypatch.setattr(processor, "cpuinfo", processor.cpuinfo.__wrapped__)
    monkeypatch.setattr(machine, "cpuinfo", processor.cpuinfo)
    for flags, has in (("fpu avx512_bf16 sse", True), ("fpu avx512f", False), ("", False)):
        cpuinfo.write_text(f"processor : 0\nmodel name\t: A processor\nflags\t\t: {flags}\n")
        assert machine.has_bf16_products() == has
    assert machine.machine(2)["processor"] == "A processor"
    assert main(["bench", "--quick", "--only", "layer"]) == 0
    out, _ = capsys.readouterr()
    assert "bf16-mixed: not here" in out
    assert "bf16-mixed step" not in out


def test_quick_is_planned_for_less_than_three_minutes() -> None:
    """By the planned times; a slow machine may take longer."""
    from app.bench.tasks import Setting

    for sizes, limit in ((QUICK, 140), (FULL, 900)):
        tasks = [task for section in command.SECTIONS for task in section.tasks(Setting(sizes=sizes))]
        assert sum(task.seconds for task in tasks) < limit


def test_the_document_shows_every_table() -> None:
    document = (Path(__file__).resolve().parents[2] / "docs/benchmark.md").read_text()
    for section in command.SECTIONS:
        assert section.title in document, section.name
