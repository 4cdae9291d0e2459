"""The paper's LeNet study on a GPU that is at hand for minutes at a time: 505 networks, in slices, packed small.

    python tests/gpu/lenet_study.py run RUNS --data FOLDER --seconds 300 --out OUT    on the machine with the GPU
    python tests/gpu/lenet_study.py unpack OUT RUNS                                   at home, or before the next slice

`run` trains what is missing in RUNS/lenet_mnist until the time is over (a begun group of networks is taken up where
it stopped if RUNS is still there), and packs what is finished into files of at most 15 MB in OUT: all tables and
reports, the masks, and such trained weights as networks to come are made from. `unpack` makes a run directory of
them. A complete one has no trained weights (`--pruning.keep []`); `python -m app report` and `status` need none.
Options of the lottery stand behind `--`, in place of the usual ones: one GPU, 105 networks at once.
"""

import argparse
import io
import lzma
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PART = 15_000_000  # bytes of a file
PACKED = "study.tar.xz"
WEIGHTS = ("final.safetensors", "rewind.safetensors", "start.safetensors")
LEAVE_OUT = ("stack.ckpt", ".lock", "last.ckpt", "previous.ckpt")


def run(runs: Path, data: Path, seconds: float, out: Path, options: list[str], config: str) -> None:
    """Train until the time is over, then pack."""
    command = [sys.executable, "-m", "app", "lottery", "--config", str(REPOSITORY / config)]
    command += ["--runs", str(runs), "--data.data_dir", str(data), "--trainer.logger", "false", "--pruning.keep", "[]"]
    process = subprocess.Popen([*command, *options], cwd=REPOSITORY)
    began = time.monotonic()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # it saves, and ends
        process.wait()
    print(f"trained for {time.monotonic() - began:.0f} s")
    for root in sorted(path.parent for path in runs.glob("*/config.yaml")):
        pack(root, out)


def pack(root: Path, out: Path) -> None:
    """A run directory as files of limited size."""
    finished = list(root.rglob("DONE"))
    needed = {path.parent for path in needed_weights(root)}
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        # Masks of neighbouring rounds after each other: they resemble each other.
        for path in sorted(root.rglob("*"), key=lambda path: (path.name, str(path))):
            name = f"{root.name}/{path.relative_to(root)}"
            if not path.is_file() or path.name in LEAVE_OUT or path.name.endswith(".tmp"):
                continue
            if path.name in WEIGHTS and path.parent not in needed:
                continue
            if path.parent != root and path.name == "metrics.csv" and not (path.parent / "DONE").exists():
                continue  # begun networks begin again
            _add(archive, name, path.read_bytes())
    packed = lzma.compress(whole.getvalue(), preset=3)
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob(f"{PACKED}.*"):
        old.unlink()
    for number, begin in enumerate(range(0, len(packed), PART)):
        (out / f"{PACKED}.{number}").write_bytes(packed[begin : begin + PART])
    print(f"{root}: {len(finished)} networks are finished; {len(packed) / 1e6:.1f} MB")


def needed_weights(root: Path) -> list[Path]:
    """Trained weights that networks to come may be made from: those of the last round of each method, and the dense."""
    found = []
    for replicate in root.glob("replicate_*"):
        for method in [replicate, *(path for path in replicate.iterdir() if path.is_dir())]:
            rounds = sorted(path for path in method.glob("round_*") if (path / "DONE").exists())
            found += [path / "final.safetensors" for path in rounds[-1:]]
    return [path for path in found if path.exists()]


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def unpack(out: Path, runs: Path) -> None:
    """Make the run directory again."""
    parts = sorted(out.glob(f"{PACKED}.*"), key=lambda path: int(path.suffix[1:]))
    data = lzma.decompress(b"".join(path.read_bytes() for path in parts))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            file = archive.extractfile(entry)
            assert file is not None
            path = runs / entry.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read())


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("runs", type=Path)
    running.add_argument("--data", type=Path, required=True, help="a folder with the four files of MNIST")
    running.add_argument("--seconds", type=float, required=True, help="of training; packing takes some more")
    running.add_argument("--out", type=Path, required=True)
    running.add_argument("--config", default="configs/lottery/lenet_mnist.yaml")
    unpacking = commands.add_parser("unpack")
    unpacking.add_argument("out", type=Path)
    unpacking.add_argument("runs", type=Path)
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    given = parser.parse_args(arguments[:split])
    if given.command == "unpack":
        unpack(given.out, given.runs)
        return
    options = arguments[split + 1 :] or [
        "--trainer.accelerator",
        "gpu",
        "--trainer.devices",
        "1",
        "--pruning.stack",
        "105",
    ]
    run(given.runs.resolve(), given.data.resolve(), given.seconds, given.out, options, given.config)


if __name__ == "__main__":
    main()
