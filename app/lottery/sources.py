"""The tickets of other run directories that networks of a lottery are made from, read before anything is trained."""

from collections.abc import Collection

from lightning.pytorch import LightningModule

from app.common.seeds import generator
from app.common.states import plain_state
from app.lottery.settings import Pruning
from app.pruning import check_names
from app.pruning.transfer import transplant
from app.runs.layout import NetworkKey
from app.runs.source_ticket import read_ticket, ticket_checksums


def source_checksums(
    settings: Pruning, model: LightningModule, missing: Collection[NetworkKey]
) -> dict[str, dict[str, str]]:
    """The checksums of all tickets that are there, by directory of the network that is made from each.

    Those that missing networks are made from are read, and fitted to the module to see whether they fit. Those of
    finished networks may be gone.

    Args:
        settings: of the lottery.
        model: its module.
        missing: the networks to train.

    Raises:
        UserError: a ticket is missing, damaged, or one of another network.
    """
    found = {}
    for key in settings.networks():
        files = settings.method(key).ticket_files(key)
        if files is None or (key not in missing and not files.done.exists()):
            continue
        if key in missing:
            weights, masks = read_ticket(files)
            _, fitted = transplant(weights, masks, plain_state(model), generator(0), str(files.root))
            check_names(fitted, model, str(files.root))
        found[key.path] = ticket_checksums(files)
    return found
