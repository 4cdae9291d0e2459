"""What the missing networks of a lottery are made from, compared with its checksums before anything is trained."""

from collections.abc import Collection

from app.common.plugins import errors_named
from app.lottery.finished_networks import last_learning_rates
from app.lottery.kept_files import finished_keys
from app.lottery.methods import dense_key
from app.lottery.moments import checkpoint_at, moment_of, rewound_to
from app.lottery.prerequisites import prerequisites
from app.lottery.settings import Pruning
from app.pruning import When
from app.runs.checksums import check_file
from app.runs.layout import NetworkKey, RunLayout
from app.runs.recorded_tensors import read_tensors


def check_origins(settings: Pruning, layout: RunLayout, missing: Collection[NetworkKey]) -> None:
    """Read the files that missing networks are made from, as far as finished networks have written them.

    Args:
        settings: of the lottery.
        layout: of its run directory.
        missing: the networks to train.

    Raises:
        UserError: a file is damaged; without this check another network may be trained for hours before it is read.
    """
    done = set(finished_keys(settings, layout))
    files = {layout.initial(key.replicate) for key in missing}
    for key in missing:
        method, finished = settings.method(key), [each for each in prerequisites(settings, key) if each in done]
        with errors_named("pruning.methods", method):
            weights = method.reads_weights_of(key)
        files.update(layout.network(each).mask for each in finished)
        files.update(layout.network(each).final for each in weights if each in done)
        if finished and When.parse(settings.rewind_to).count > 0:
            files.add(layout.rewind_weights(key.replicate))
        for moment in {moment_of(settings, key), rewound_to(settings, method.of or method.name)} if finished else ():
            checkpoint = checkpoint_at(settings, layout, key.replicate, moment)
            if moment.count > 0 and checkpoint.exists():  # else it is made again
                check_file(checkpoint)
        if method.at_last_rate and (dense := dense_key(key.replicate)) in done:
            last_learning_rates(layout.network(dense))
    for path in sorted(files):
        if path.exists():  # else it is made again
            read_tensors(path)
