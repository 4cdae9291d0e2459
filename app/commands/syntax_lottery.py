"""`python -m app syntax RUN` of a lottery: how often every network prefers the grammatical sentence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.progress import Progress

from app.commands.every_network import measure_every_network
from app.commands.syntax import OPTION, OUTCOMES, SCORES, SentenceScorer, score_stimuli
from app.common.files import write_atomically
from app.runs.checkpoints import load_weights
from app.runs.layout import RunLayout
from app.runs.measured_networks import Measurable, MeasuredNetworks, score_options
from app.runs.output_directory import claim_output
from app.syntax.condition_scores import Tally
from app.syntax.score_files import outcomes_csv, to_csv
from app.syntax.stimuli import Stimuli


def syntax_lottery(
    model: SentenceScorer, stimuli: Stimuli, run: RunLayout, config: Mapping[str, Any], *, own: bool
) -> MeasuredNetworks:
    """Score sentences with every network of a lottery that has not scored them yet, and write one table.

    Args:
        model: takes the weights of each network.
        stimuli: the items.
        run: the lottery.
        config: of the command, plain.
        own: whether the sentences are the user's own.

    Returns:
        The networks, measured.

    Raises:
        UserError: no finished network, or the model has no vocabulary.
    """

    def measure(network: Measurable, folder: Path, bars: Progress) -> str:
        load_weights(model, network.weights)  # type: ignore[arg-type]
        scores = score_stimuli(model, stimuli, own=own, within=bars).scores
        claim_output(folder, [SCORES, OUTCOMES], OPTION)
        write_atomically(folder / OUTCOMES, outcomes_csv(scores))
        write_atomically(folder / SCORES, to_csv(str(network.key), scores))
        total = sum((score.tally for score in scores), Tally())
        return f"{100 * (total.accuracy or 0):.1f} % of {total.items:,} items"

    options = score_options(config, sentences=repr(stimuli), own=str(own))
    networks = MeasuredNetworks(run=run, command="syntax", options=options)
    measure_every_network(networks, measure)
    return networks
