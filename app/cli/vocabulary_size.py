"""`vocabulary_size: auto` of a model: as many words as the data has, found before the model is made."""

from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.utilities.seed import isolate_rng

from app.cli.mistakes import constructor_errors_named
from app.common.errors import UserError
from datamodules import TextDataModule

AUTOMATIC = "auto"
KEY = "init_args.vocabulary_size"


def set_vocabulary_size(model: Any, data: Any) -> LightningDataModule | None:
    """Put the number of words of the data in the place of "auto" in the configuration of a model.

    From then on the configuration is that of a command line with this number: it is what is recorded and compared.

    Args:
        model: the model's part of the parsed configuration; changed in place.
        data: the data's part.

    Returns:
        The data, if it is a text, which is not to be read again. Other data is made anew: what it draws in `setup` may
        depend on seeds that it gets later. None where nothing was asked for.

    Raises:
        UserError: the data has no vocabulary, or cannot be read.
    """
    if not isinstance(model, Namespace) or model.get(KEY) != AUTOMATIC:
        return None
    if not isinstance(data, Namespace):
        raise UserError("model.init_args.vocabulary_size is auto, and there is no data; give --data, or a number")
    with isolate_rng():  # the model is to begin as it does with a number
        made = _made(data)
        made.prepare_data()
        made.setup("fit")
    vocabulary = getattr(made, "vocabulary", None)
    if vocabulary is None:
        raise UserError(
            f"model.init_args.vocabulary_size is auto, and {data.class_path} has no vocabulary; give the number of "
            "words"
        )
    model[KEY] = len(vocabulary)
    return made if isinstance(made, TextDataModule) else None


def _made(data: Namespace) -> LightningDataModule:
    parser = LightningArgumentParser()
    parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)
    with constructor_errors_named("data"):
        made: LightningDataModule = parser.instantiate_classes(Namespace(data=data.clone())).data  # type: ignore[no-untyped-call]
    return made
