"""`make results`: makes again what docs/results.md shows of the grammar, which takes less than ten minutes.

Trains the language models of configs/grammar (a run that is there already goes on, or is done), measures them, and
replaces the tables between the marks in results.md and the rows beside it. The other sections name the commit that
their figures are of.
"""

import csv
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.common.processor import cpuinfo, flags, instruction_set
from app.runs.provenance import versions
from app.syntax.condition_scores import pool
from app.syntax.score_files import read_csv

HERE = Path(__file__).parent
PAGE = HERE / "results.md"
ON_LSTM, LSTM = ("configs/grammar/on_lstm.yaml", "configs/grammar/lstm.yaml")
SEEDS = (0, 1, 2)

Scores = Sequence[Mapping[str, str]]


def app(*arguments: str) -> str:
    """Run `python -m app ARGUMENTS`; what it prints on stdout."""
    print("python -m app", *arguments, flush=True)
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def replaced(page: str, name: str, lines: Sequence[str]) -> str:
    """A page with other lines between the marks of this name.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = f"<!-- {name}, by make results -->\n", f"<!-- end of {name} -->"
    before, mark, rest = page.partition(begin)
    _, close, after = rest.partition(end)
    if not (mark and close):
        raise ValueError(f"no {begin.strip()} ... {end}")
    return before + begin + "\n".join(["", *lines, "", ""]) + end + after


def made_on(commit: str) -> str:
    """The commit, the processor and the versions, as one sentence."""
    bf16 = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags()]
    packages = ", ".join(f"{name} {version}" for name, version in versions().items() if name in ("torch", "lightning"))
    return (
        f"Made by `make results` at commit {commit}, one thread of {cpuinfo().get('model name', 'a processor')} "
        f"({instruction_set().split()[0]}; bfloat16 products: {', '.join(bf16) or 'none'}), {packages}."
    )


def perplexity_table(measured: Sequence[Mapping[str, float]]) -> list[str]:
    """The test perplexities of all seeds, below the least that any model can have.

    Args:
        measured: the test metrics of each seed.
    """
    reached = ", ".join(f"{each['test_perplexity_exact']:.2f}" for each in measured)
    seeds = ", ".join(map(str, range(len(measured))))
    return [
        "| | perplexity per word, `<eos>` counted |",
        "|---|---|",
        f"| least that any model can have (inside algorithm) | {measured[0]['test_perplexity_optimal']:.2f} |",
        f"| ON-LSTM, seeds {seeds} | {reached} |",
    ]


def tree_table(scores: Sequence[Scores]) -> list[str]:
    """UF1 of baselines and layers, mean (least-most) of all seeds.

    Args:
        scores: the rows of each seed's scores.csv.
    """
    what = f"sentence F1 (UF1) of the test sentences' trees, mean (least-most) of {len(scores)} seeds"
    lines = [f"| {what} | ≤ 10 words | all |", "|---|---|---|"]
    for name in dict.fromkeys(row["name"] for row in scores[0]):
        cells = [_spread([_uf1(each, name, limit) for each in scores]) for limit in ("10", "")]
        layer, _, builder = name.partition(", ")
        lines.append(f"| {f'{layer}, `{builder}`' if builder else name} | {cells[0]} | {cells[1]} |")
    return lines


def _uf1(scores: Scores, name: str, limit: str) -> float:
    (row,) = (row for row in scores if (row["name"], row["max_words"]) == (name, limit))
    return 100 * float(row["sentence_f1"])


def _spread(values: Sequence[float]) -> str:
    mean, least, most = (f"{value:.1f}" for value in (statistics.mean(values), min(values), max(values)))
    return mean if least == most else f"{mean} ({least}-{most})"


def syntax_table(table: Sequence[str], on_lstm: Path, lstm: Path) -> list[str]:
    """The table of the syntactic evaluation with other figures of the grammar, its last two columns.

    Args:
        table: its lines, as they are in the page.
        on_lstm: the ON-LSTM's scores.csv.
        lstm: the LSTM's.
    """
    pooled = [{row.name: row.tally.accuracy for row in pool(read_csv(path)[1])} for path in (on_lstm, lstm)]
    found = []
    for line in table:
        cells = line.split("|")[1:-1]
        accuracies = [scores.get(cells[0].strip()) for scores in pooled]
        if None not in accuracies:
            cells[-2:] = [f" {accuracy:.2f} " for accuracy in accuracies]
        found.append(f"|{'|'.join(cells)}|")
    return found


def metrics(printed: str) -> dict[str, float]:
    """The metrics in the table that `test` prints."""
    return {name: float(value) for name, value in re.findall(r"(test_\w+)\W+([\d.]+)", printed)}


def main() -> None:
    """Train, measure, and write the page."""
    measured, scores = [], []
    for seed in SEEDS:
        chosen = ("--config", ON_LSTM, "--seed_everything", str(seed))
        app("fit", *chosen)
        measured.append(metrics(app("test", *chosen)))
        app("parse", *chosen)
        scores.append(rows(Path(f"runs/grammar_on_lstm/seed_{seed}/parse/scores.csv")))
    app("fit", "--config", LSTM)
    for config in (ON_LSTM, LSTM):
        app("syntax", "--config", config)
        name = f"grammar_{Path(config).stem}"
        shutil.copyfile(f"runs/{name}/seed_0/syntax/scores.csv", HERE / "syntax" / f"{name}.csv")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=True, stdout=subprocess.PIPE, text=True)
    made = made_on(commit.stdout.strip())
    page = PAGE.read_text()
    page = replaced(page, "grammar", [made, "", *perplexity_table(measured), "", *tree_table(scores)])
    before = page.partition("<!-- syntax, by make results -->\n")[2].partition("<!-- end of syntax -->")[0]
    table = [line for line in before.splitlines() if line.startswith("|")]
    told = "The grammar's columns: " + made[0].lower() + made[1:]
    scores_of_nets = [HERE / "syntax" / f"grammar_{net}.csv" for net in ("on_lstm", "lstm")]
    page = replaced(page, "syntax", [told, "", *syntax_table(table, *scores_of_nets)])
    PAGE.write_text(page)
    print(f"{PAGE} is written; read what its sentences say of these tables")


if __name__ == "__main__":
    main()
