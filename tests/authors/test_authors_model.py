"""Files that hold something other than the ON-LSTM authors' model: an error of one line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.authors import save_like_the_authors
from torch import nn

from app.authors.inert_torch import read_tensor_file
from app.authors.model import read_authors_model
from app.common.errors import UserError


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_authors_model(read_tensor_file(folder / "theirs.pt"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_a_file_holds_instead_is_told(tmp_path):
    for saved, says in (
        ({"state_dict": {}, "epoch": 3}, "holds a dictionary of state_dict, epoch; expected"),
        ([{"a": 1}, 2], "holds a list of dict, int; expected"),
        (nn.Linear(1, 1), "holds a single torch.nn.modules.linear.Linear; expected"),
        (torch.zeros(2), "holds a single tensor; expected"),
        (None, "holds nothing; expected"),
        ([nn.Linear(2, 2), None, None], "that is not the authors' ON-LSTM: it has no parameter decoder.bias"),
    ):
        torch.save(saved, tmp_path / "theirs.pt")
        message = refused(tmp_path)
        assert message.startswith(f"{tmp_path / 'theirs.pt'}: holds ")
        assert says in message


def _without_a_layer(saved: list[Any]) -> None:
    saved[0].rnn.cells = nn.ModuleList()


def _with_a_norm(saved: list[Any]) -> None:
    saved[0].rnn.cells[1].norm = nn.LayerNorm(8)


def _without_bias(saved: list[Any]) -> None:
    saved[0].decoder.bias = None


def _chunks_of_four(saved: list[Any]) -> None:
    saved[0].rnn.cells[2].chunk_size = 4


def _rows_that_are_odd(saved: list[Any]) -> None:
    for cell in saved[0].rnn.cells:
        cell.ih[0] = nn.Linear(cell.input_size, 41)
        cell.hh.weight = nn.Parameter(torch.zeros(41, cell.hidden_size))
        cell.hh.bias = nn.Parameter(torch.zeros(41))


def _other_sizes(saved: list[Any]) -> None:
    saved[0].rnn.cells[1].ih[0] = nn.Linear(7, 40)


def _flat(saved: list[Any]) -> None:
    saved[0].rnn.cells[0].hh.weight = nn.Parameter(torch.zeros(320))


def _dropouts(saved: list[Any]) -> None:
    saved[0].rnn.cells[1].hh.dropout = 0.1


def _impossible_dropout(saved: list[Any]) -> None:
    for cell in saved[0].rnn.cells:
        cell.hh.dropout = 1.5


def _whole_numbers(saved: list[Any]) -> None:
    saved[0].decoder.bias = nn.Parameter(torch.zeros(9, dtype=torch.int64), requires_grad=False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without_a_layer, "it has no layers"),
        (_with_a_norm, "it has a parameter rnn.cells.1.norm.bias, which is unknown"),
        (_without_bias, "it has no parameter decoder.bias"),
        (_chunks_of_four, "its chunk_size is not the same number in all layers"),
        (_rows_that_are_odd, "41 rows for 8 units do not give a whole number of chunks"),
        (_other_sizes, r"rnn.cells.1.ih.0.weight has the shape (40, 7); the other shapes require (40, 8)"),
        (_flat, "rnn.cells.0.hh.weight has the shape (320,)"),
        (_dropouts, "its weight dropout is not the same number in all layers"),
        (_impossible_dropout, "its weight dropout is outside [0, 1)"),
        (_whole_numbers, "its parameters are integers"),
    ],
)
def test_a_model_that_is_another_one_is_told(change, says, tmp_path):
    save_like_the_authors(tmp_path / "theirs.pt", tmp_path, words=9, change=lambda saved: change(saved) or saved)
    message = refused(tmp_path)
    assert message.startswith(f"{tmp_path / 'theirs.pt'}: holds a model.RNNModel that is not the authors' ON-LSTM: ")
    assert says in message
