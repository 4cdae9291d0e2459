"""Saves the configuration of a training that has no run directory."""

import os
import tempfile
import warnings
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from typing_extensions import override


class SaveFitConfig(SaveConfigCallback):
    """Saves the configuration of a training without a run directory in the directory of its logger.

    That may be any directory of the user's: a file that is there already is left as it is. Commands that only measure
    save none.
    """

    @override
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage != "fit" or self.already_saved:
            return
        path = Path(str(trainer.log_dir)) / self.config_filename
        self.already_saved = bool(trainer.strategy.broadcast(trainer.is_global_zero and os.path.lexists(path)))
        if not self.already_saved:
            super().setup(trainer, pl_module, stage)
        elif trainer.is_global_zero and not self._is_same(path):
            warnings.warn(
                f"{path} is there already and stays as it is, so that the configuration of this training is not saved; "
                "give it an --experiment, or a directory by --trainer.logger configs/logger/csv.yaml",
                stacklevel=2,
            )

    def _is_same(self, path: Path) -> bool:
        with tempfile.TemporaryDirectory() as directory:
            mine = Path(directory) / self.config_filename
            self.parser.save(self.config, mine, skip_none=False, multifile=self.multifile)
            return path.is_file() and path.read_bytes() == mine.read_bytes()
