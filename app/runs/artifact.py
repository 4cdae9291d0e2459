"""Tickets that W&B keeps as artifacts."""

from pathlib import Path

from app.common.errors import UserError
from app.common.printing import one_line

SCHEME = "wandb:"
TICKET_TYPE, TICKET_FILE = "ticket", "ticket.safetensors"


def is_artifact(path: str | Path) -> bool:
    """Whether a ticket is named as an artifact, `wandb:ENTITY/PROJECT/NAME:ALIAS`."""
    return str(path).startswith(SCHEME)


def download(name: str | Path) -> Path:
    """Download the ticket of an artifact; W&B keeps what it has downloaded.

    Args:
        name: `wandb:ENTITY/PROJECT/NAME:ALIAS`; the entity, and with it the project, may be left out where W&B knows
            them.

    Returns:
        The file.

    Raises:
        UserError: W&B does not give it, or it has no ticket in it.
    """
    import wandb

    try:
        folder = wandb.Api().artifact(str(name).removeprefix(SCHEME), type=TICKET_TYPE).download()
    except Exception as error:
        reason = one_line(error) or type(error).__name__
        raise UserError(
            f"{name}: W&B does not give it ({reason}); expected wandb:ENTITY/PROJECT/NAME:ALIAS, such as "
            "wandb:me/trees-and-tickets/lenet_mnist-replicate_0-iterative:round-07, and an account (wandb login)"
        ) from None
    path = Path(folder) / TICKET_FILE
    if not path.is_file():
        raise UserError(f"{name}: the artifact has no {TICKET_FILE}; name a ticket that a lottery has logged")
    return path
