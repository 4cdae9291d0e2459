"""Logical inference: pairs of propositional formulas with their relation, sampled or read from files."""

# N pairs, B pairs of a batch, T tokens of the longest formula.

import hashlib
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from app.common.errors import UserError
from app.common.seeds import derive_seed
from app.logic import MOST_OPERATORS, PADDING, RELATIONS, TOKENS, Pair, encode, read_pairs, sample_bins, split
from app.logic.sampling import DRAWS
from datamodules.tensor_data_module import TensorDataModule

EVAL_BATCH_SIZE = 256
VALIDATION = 10  # every tenth pair of the training files is for validation


class PairSplit(NamedTuple):
    """The pairs of each part, ordered by their number of operators."""

    train: list[Pair]
    val: list[Pair]
    test: list[Pair]


class Logic(TensorDataModule):
    """The task of Bowman, Manning & Potts (2015), in the setting of Shen et al. (2019, section 5.4).

    Models train on pairs with few operators and are tested on all numbers of operators. Batches are tuples of tensors:

    - formulas, uint8 [B, 2, T]: token numbers (`app.logic.TOKENS`) of the left and the right formula, padded;
    - lengths, int64 [B, 2]: the numbers of tokens without padding;
    - labels, int64 [B]: indices into `app.logic.RELATIONS`;
    - operators, int64 [B]: of the formula with more of them; 12 means 12 or more.

    Args:
        path: folder with the published files train0 ... train12, test0 ... test12; None to sample pairs.
        draws: number of pairs to sample; about half of 500,000 are distinct.
        train_operators: the largest number of operators in training.
        systematic: train without the pairs that contain a pattern, and test on them: A is `* ( and ( not a ) )`, B is
            `* ( and ( not * ) )`, C is `* ( and/or ( not * ) )` (Shen et al. 2019, "Ordered Memory").
        batch_size: pairs of a training batch, over all processes together.
        eval_batch_size: pairs of an evaluation batch, over all processes together.
        seed: of the sampled pairs, and of the training order until `reseed` changes it.

    Raises:
        UserError: draws, train_operators or a batch size is out of range.
    """

    # The sizes that a model needs.
    tokens = len(TOKENS) + 1
    num_classes = len(RELATIONS)
    max_operators = MOST_OPERATORS

    def __init__(
        self,
        path: str | None = None,
        draws: int = DRAWS,
        train_operators: int = 6,
        systematic: Literal["A", "B", "C"] | None = None,
        batch_size: int = 128,
        eval_batch_size: int = EVAL_BATCH_SIZE,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, order_seed=derive_seed(seed, 0, "order"))
        if draws < 1:
            raise UserError(f"data.draws is {draws}; expected 1 or more")
        if not 0 <= train_operators <= MOST_OPERATORS:
            raise UserError(f"data.train_operators is {train_operators}; expected 0 to {MOST_OPERATORS}")
        self.path = path
        self.draws = draws
        self.train_operators = train_operators
        self.systematic = systematic
        self._draw_seed = derive_seed(seed, 0, "logic")
        self._checksums: dict[str, str] = {}

    def pairs(self) -> PairSplit:
        """Read or sample the pairs and split them; takes some seconds.

        Raises:
            UserError: a file is missing or wrong, or one of the parts is empty.
        """
        train, test = self._read() if self.path is not None else self._sample()
        if self.systematic is not None:
            test = [pair for pair in train if pair.matches(self.systematic)]
            train = [pair for pair in train if not pair.matches(self.systematic)]
        self._checksums = {name: _checksum(pairs) for name, pairs in (("train", train), ("test", test))}
        val = train[VALIDATION - 1 :: VALIDATION]
        del train[VALIDATION - 1 :: VALIDATION]
        parts = PairSplit(train, val, test)
        for name, pairs in parts._asdict().items():
            if not pairs:
                raise UserError(f"no pair of formulas is left for {name}; use more data.draws, or larger files")
        return parts

    def _sample(self) -> tuple[list[Pair], list[Pair]]:
        bins = [split(bin) for bin in sample_bins(self._draw_seed, self.draws)]
        train = chain.from_iterable(train for train, _ in bins[: self.train_operators + 1])
        return list(train), list(chain.from_iterable(test for _, test in bins))

    def _read(self) -> tuple[list[Pair], list[Pair]]:
        folder = Path(str(self.path))
        trained, tested = (
            [folder / f"{part}{number}" for number in range(most + 1)]
            for part, most in (("train", self.train_operators), ("test", MOST_OPERATORS))
        )
        if missing := [path.name for path in (*trained, *tested) if not path.exists()]:
            raise UserError(
                f"{folder}: no {', '.join(missing)}; data.path names a folder with train0 ... train{MOST_OPERATORS}, "
                f"test0 ... test{MOST_OPERATORS}, unpacked"
            )
        return _read_all(trained), _read_all(tested)

    def reseed(self, *, split: int, order: int) -> None:
        """Use `order` as the seed of the training order; the split of the pairs does not depend on a seed."""
        self._order_seed = order

    def setup(self, stage: str | None = None) -> None:
        """Read or sample the pairs, unless that has been done.

        Raises:
            UserError: as `pairs` does.
        """
        if not self._parts:
            self._parts = {name: as_tensors(pairs) for name, pairs in self.pairs()._asdict().items()}

    @property
    def checksums(self) -> dict[str, str]:
        """Hex SHA-256 of the lines of the training files and of the test files; available after `setup`.

        For a systematic split they are of the pairs in training and in test.
        For sampled pairs they are those of the files that the pairs would be written to.
        """
        return dict(self._checksums)

    @property
    def iterations_per_epoch(self) -> int:
        """Number of training batches per epoch, including the last short one; available after `setup`."""
        return -(-len(self._part("train")[0]) // self.batch_size)


def as_tensors(pairs: Sequence[Pair]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The formulas, lengths, labels and operators of one pair or more; shapes as in a batch."""
    sides = [encode(formula) for pair in pairs for formula in (pair.left, pair.right)]
    lengths = [len(side) for side in sides]
    longest = max(lengths)
    filled = bytearray().join(side.ljust(longest, bytes([PADDING])) for side in sides)
    labels = torch.tensor([RELATIONS.index(pair.relation) for pair in pairs])
    operators = torch.tensor([pair.operators for pair in pairs])
    formulas = torch.frombuffer(filled, dtype=torch.uint8).view(len(pairs), 2, longest)
    return formulas, torch.tensor(lengths).view(len(pairs), 2), labels, operators


def _read_all(paths: Sequence[Path]) -> list[Pair]:
    """Read the files with 0, 1, 2, ... operators."""
    found = []
    for operators, path in enumerate(paths):
        pairs = read_pairs(path)
        for line, pair in enumerate(pairs, start=1):
            if pair.operators != operators:
                raise UserError(f"{path}, line {line}: a pair of {pair.operators} operators; expected {operators}")
        found += pairs
    return found


def _checksum(pairs: Iterable[Pair]) -> str:
    return hashlib.sha256("".join(f"{pair.line}\n" for pair in pairs).encode()).hexdigest()
