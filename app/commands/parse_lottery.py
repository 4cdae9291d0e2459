"""`python -m app parse RUN` of a lottery: the trees of every network, and of a few sentences at several densities."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from app.commands.choose import CHOSEN, Choice, Validation, choose, remove_choice
from app.commands.every_network import measure_every_network
from app.commands.parse import ParseOptions, check_numbers, save_tree, some_sentences
from app.commands.scored_trees import (
    OPTION,
    Parsed,
    TreeModel,
    baseline_rows,
    layer_name,
    score_trees,
    trees_file,
    write_parses,
)
from app.common.errors import UserError
from app.common.files import write_atomically
from app.common.lines import print_line
from app.parsing import BASELINES, GoldSentence
from app.parsing.layers import MEAN
from app.parsing.sentence_tables import SOURCE, constituents_csv, source_json
from app.parsing.tree_files import read_trees, write_trees
from app.plotting.numbers import weights
from app.plotting.trees import Panel, draw_trees
from app.runs.checkpoints import load_weights
from app.runs.layout import DENSE, RunLayout
from app.runs.measured_networks import Measurable, MeasuredNetworks, read_scores, score_options
from app.runs.output_directory import claim_output

DENSITIES = 4  # trees of a sentence that are drawn side by side
F1 = "sentence_f1"


def parse_lottery(
    model: TreeModel,
    gold: Sequence[GoldSentence],
    options: ParseOptions,
    run: RunLayout,
    config: Mapping[str, Any],
    *,
    source: str,
    validation: Validation | None = None,
) -> MeasuredNetworks:
    """Parse a treebank with every network of a lottery that is not parsed yet; write one table, and draw.

    Args:
        model: takes the weights of each network.
        gold: the treebank's sentences.
        options: what to draw; the output directory is that of the run.
        run: the lottery.
        config: of the command, plain.
        source: whose sentences these are, in one line.
        validation: sentences on which a layer and a builder are chosen for every network; None for no choice.

    Returns:
        The networks, measured.

    Raises:
        UserError: no finished network, no such layer, or no such sentence to draw.
    """
    check_numbers(options.draw or [], len(gold))
    texts = {"sentences": _text(gold), **({} if validation is None else {"choose_on": _text(validation.sentences)})}
    networks = MeasuredNetworks(run=run, command="parse", options=score_options(config, **texts))
    chosen_on = "" if validation is None else f"; each network's layer and builder are chosen on {validation.title}"
    print_line(f"{source}{chosen_on}")
    baselines = baseline_rows(gold)

    def measure(network: Measurable, folder: Path, bars: Progress) -> str:
        load_weights(model, network.weights)  # type: ignore[arg-type]
        parsed = score_trees(model, gold, baselines, layer=options.layer, within=bars)
        choice = None if validation is None else choose(model, validation, within=bars)
        if choice is not None:
            claim_output(folder, [CHOSEN], OPTION)
            write_atomically(folder / CHOSEN, choice.csv(parsed.rows))
        else:
            remove_choice(folder)
        write_parses(gold, parsed, folder, source=source)
        return _summary(parsed, options.builder, choice)

    table = measure_every_network(networks, measure, keep=_is_models)
    claim_output(table.parent, [SOURCE], OPTION)
    write_atomically(table.with_name(SOURCE), source_json(source))
    if validation is None:
        remove_choice(table.parent)
    else:
        print_line(f"what each network chose, and its scores: {networks.write_table(CHOSEN, keep=_is_chosen)}")
    if chosen := _chosen(networks):
        _draw(gold, options, networks, chosen)
    return networks


def _is_models(row: Mapping[str, str]) -> bool:
    """Whether a row of scores is of a model's trees; baselines are the same for all networks."""
    return row["name"] not in BASELINES


def _is_chosen(row: Mapping[str, str]) -> bool:
    return row["chosen"] == "1"


def _text(gold: Sequence[GoldSentence]) -> str:
    """Everything about sentences that scores depend on."""
    return write_trees((sentence.words, sentence.tree) for sentence in gold) + constituents_csv(gold)


def _summary(parsed: Parsed, builder: str, choice: Choice | None) -> str:
    if choice is not None:
        tested = parsed.rows[choice.builder, choice.layer].scores_all.sentence_f1
        return f"UF1 {100 * tested:.1f} % of {choice.layer}, {choice.builder}"
    found = {layer: row for (each, layer), row in parsed.rows.items() if each == builder and layer != MEAN}
    scores = ", ".join(f"{layer} {100 * row.scores_all.sentence_f1:.1f}" for layer, row in found.items())
    return f"UF1 {scores} %"


def _chosen(networks: MeasuredNetworks) -> list[Measurable]:
    """The dense network of the first replicate and a few tickets of it, evenly spread over the rounds."""
    found = networks.networks()
    first = min(network.key.replicate for network in found)
    mine = [network for network in found if network.key.replicate == first]
    dense = [network for network in mine if network.key.method == DENSE]
    pruned = [network for network in mine if not network.key.of and network.density < 1]
    method = next((name for name in ("iterative", *(each.key.method for each in pruned))
                   if any(each.key.method == name for each in pruned)), None)  # fmt: skip
    line = [*dense, *sorted((each for each in pruned if each.key.method == method), key=lambda each: each.key.round)]
    if len(line) <= DENSITIES:
        return line
    return [line[round(step * (len(line) - 1) / (DENSITIES - 1))] for step in range(DENSITIES)]


def _draw(
    gold: Sequence[GoldSentence], options: ParseOptions, networks: MeasuredNetworks, chosen: Sequence[Measurable]
) -> None:
    """Draw sentences, each with its trees at several densities side by side."""
    layer = _layer(options, networks.folder(chosen[0]))
    trees = [read_trees(networks.folder(each) / trees_file(layer, options.builder)) for each in chosen]
    for number in options.draw or some_sentences(gold):
        sentence = gold[number - 1]
        panels = []
        for network, predicted in zip(chosen, trees, strict=True):
            if len(predicted) != len(gold):
                raise UserError(
                    f"{networks.folder(network)}: has the trees of {len(predicted):,} sentences, and the treebank "
                    f"{len(gold):,}; delete it and parse again"
                )
            title = f"{weights(network.density)} % of weights"
            panels.append(Panel(title=title, words=sentence.words, tree=predicted[number - 1].tree))
        key = chosen[-1].key
        title = f"Sentence {number}, {layer}, {options.builder}, replicate {key.replicate}, {key.method}"
        save_tree(draw_trees(panels, title, gold=sentence), options.output / f"sentence_{number}")


def _layer(options: ParseOptions, folder: Path) -> str:
    """The layer that is drawn: the one that is asked for, or else that with the best score of the first network."""
    suffix = f", {options.builder}"
    rows = {row["name"]: row for row in read_scores(folder / "scores.csv") if not row["max_words"]}
    scores = {name.removesuffix(suffix): row for name, row in rows.items() if name.endswith(suffix)}
    if options.layer is not None:
        return layer_name(options.layer, list(scores))
    return max(scores, key=lambda name: float(scores[name][F1] or 0))
