"""Where one of several processes is lost, all end with one line, and the same command goes on to the same bits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import SETTINGS
from helpers.ports import free_port
from helpers.workers import TINY, bits, different

ONE = (
    *(*TINY, "--pruning.replicates", "1", "--pruning.methods", "[iterative]", "--pruning.rounds", "1"),
    *("--pruning.random_reinit", "0", "--trainer.logger", "false"),
    *("--trainer.callbacks", "helpers.rank_trouble.RankTrouble", "--trainer.strategy", "ddp"),
)
TWO = (*ONE, "--trainer.devices", "2")
GOES_ON = "the same command goes on from the last checkpoint; finished networks and metrics are kept"
LOST = f"failed: another process of this training has ended, or cannot be reached; {GOES_ON}"

# As a launcher would start them, but forked behind the imports, which take longer than all the rest.
SCRIPT = """
import json, os, sys
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_only

import app.cli.main
from app import __main__

torch.set_num_threads(1)
codes = {}
for name, folder, trouble, port, argv in json.loads(sys.argv[1]):
    Path(folder).mkdir(exist_ok=True)
    processes = []
    for rank in (0, 1):
        processes.append(os.fork())
        if processes[-1] == 0:
            os.chdir(folder)
            os.environ.update(LOCAL_RANK=str(rank), MASTER_PORT=str(port), TROUBLE=trouble)
            rank_zero_only.rank = rank
            for number, kind in ((1, "out"), (2, "err")):
                os.dup2(os.open(f"../{name}_{rank}.{kind}", os.O_WRONLY | os.O_CREAT), number)
            code = __main__.main(argv)
            sys.stdout.flush()
            os._exit(code)
    codes[name] = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
print(json.dumps(codes))
"""
COMMANDS = [
    ("whole", "whole", "", TWO),
    ("killed", "lost", "killed round_00", TWO),
    ("failed", "lost", "failed round_01", TWO),
    ("refused", "lost", "", (*TWO, "--data.batch_size", "10")),
    ("done", "lost", "", TWO),
    ("finished", "lost", "", TWO),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def codes(place: Path) -> dict[str, list[int]]:
    """Exit codes of both processes of the commands, which leave what they say in `place`."""
    (place / "script.py").write_text(SCRIPT)
    commands = [(name, folder, trouble, free_port(), argv) for name, folder, trouble, argv in COMMANDS]
    ran = subprocess.run(
        [sys.executable, "script.py", json.dumps(commands)],
        cwd=place,
        env={**os.environ, **SETTINGS, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, list[int]] = json.loads(ran.stdout)
    return found


def said(place: Path, name: str) -> list[list[str]]:
    """The lines of stderr of both processes."""
    return [(place / f"{name}_{rank}.err").read_text().splitlines() for rank in (0, 1)]


def test_all_end_with_one_line_and_go_on_to_the_same_bits(place: Path, codes: dict[str, list[int]]) -> None:
    assert (codes["killed"], said(place, "killed")) == ([1, -9], [[LOST], []])
    assert (codes["failed"], said(place, "failed")) == ([1, 2], [[LOST], ["error: the second process gives up"]])
    assert (codes["done"], said(place, "done")) == ([0, 0], [[], []])
    assert different(bits(place / "whole/runs/tiny"), bits(place / "lost/runs/tiny")) == []


def test_the_others_end_where_the_first_is_refused_the_directory(place: Path, codes: dict[str, list[int]]) -> None:
    first, second = said(place, "refused")
    assert codes["refused"] == [2, 2]
    assert first == second
    assert len(first) == 1
    assert "was made by a different configuration (data.init_args.batch_size: 30 -> 10" in first[0]


def test_a_finished_lottery_is_told_by_the_first(place: Path, codes: dict[str, list[int]]) -> None:
    assert (codes["finished"], said(place, "finished")) == ([0, 0], [[], []])
    assert (place / "finished_0.out").read_text()
    assert not (place / "finished_1.out").read_text()


@pytest.mark.slow
def test_two_nodes_of_torchrun(place: Path, codes: dict[str, list[int]], tmp_path: Path) -> None:
    """The second node is a process group of its own, and waits for the first one's claim of the run directory."""
    launcher = ("-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d")
    meets = ("--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-id", "7", "--local-addr", "127.0.0.1")
    command = (*launcher, *meets, "-m", "app", *ONE, "--trainer.devices", "1", "--trainer.num_nodes", "2")
    nodes = [
        subprocess.Popen(
            [sys.executable, *command],
            cwd=tmp_path,
            env={**os.environ, **SETTINGS, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for _ in range(2)
    ]
    told = [node.communicate() for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], told
    assert sorted(bool(stdout) for stdout, _ in told) == [False, True], "the first process alone prints"
    # config.yaml says how many nodes there were, and checksums.json has its checksum.
    assert different(bits(place / "whole/runs/tiny"), bits(tmp_path / "runs/tiny")) == ["checksums.json"]
