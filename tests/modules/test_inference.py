"""The inference classifier against the paper's formulas in plain torch; its metrics; padding."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers.language import Rows, trainer
from helpers.metrics import INFERENCE_NAMES
from helpers.tiny import Probe
from lightning.pytorch import Trainer
from lightning.pytorch.cli import ReduceLROnPlateau
from torch import Tensor, nn
from torch.optim import SGD

from app.common.errors import UserError
from app.logic import PADDING, Formula, Pair, parse, sample_bins
from app.modules import InferenceClassifier
from app.nets import LSTM, ONLSTM
from callbacks import MetricsRecorder
from datamodules import Logic
from datamodules.logic import as_tensors

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

NAMES = [*INFERENCE_NAMES, *(f"accuracy_{n:02d}" for n in range(13))]
NAMES += [f"majority_{n:02d}" for n in range(13)]


def sgd(parameters: Any) -> SGD:
    return SGD(parameters, lr=0.5)


def classifier(net: nn.Module | None = None, *, seed: int = 0, **options: Any) -> InferenceClassifier:
    torch.manual_seed(seed)
    net = ONLSTM(6, [8], 2) if net is None else net
    net.reset_parameters()
    return InferenceClassifier(net, **{"optimizer": sgd} | options).double()


def tiny_data(**options: Any) -> Logic:
    data = Logic(**{"draws": 400, "batch_size": 32, "eval_batch_size": 50} | options)
    data.prepare()
    return data


def plain(module: InferenceClassifier, left: Formula, right: Formula) -> Tensor:
    """A pair's logits, from a batch of one for each formula: the head of section 5.4 written out."""
    ends = []
    for side in (left, right):
        formulas, lengths, _, _ = as_tensors([Pair("=", side, side)])
        x = module.embedding.weight[formulas[0, 0, : lengths[0, 0]].long()]
        ends.append(module.net(x.unsqueeze(1))[0][-1, 0])
    one, two = ends
    _, first, _, _, last = module.head
    hidden = F.elu(first.weight @ torch.cat([one, two, one * two, (one - two).abs()]) + first.bias)
    return last.weight @ hidden + last.bias


@pytest.mark.parametrize("net", [ONLSTM(6, [8], 2), LSTM(6, [8])])
def test_logits_are_the_papers(net: nn.Module):
    module = classifier(net).eval()
    pairs = [bin[0] for bin in sample_bins(1, 2000)]
    formulas, lengths, _, _ = as_tensors(pairs)
    expected = torch.stack([plain(module, pair.left, pair.right) for pair in pairs])
    torch.testing.assert_close(module(formulas, lengths), expected, rtol=0, atol=1e-12)


def test_sizes_are_the_papers():
    counted = {
        kind: sum(p.numel() for p in InferenceClassifier(net).parameters())
        for kind, net in (("ON-LSTM", ONLSTM(128, [400])), ("LSTM", LSTM(128, [400])))
    }
    assert counted["ON-LSTM"] == 1_535_143
    assert counted["LSTM"] == 1_535_143 - 2 * 40 * (128 + 400 + 2), "theirs has the master gates' rows, unused"


def test_what_fills_a_row_up_changes_nothing():
    module = classifier(seed=3).float().eval()
    short = Pair("#", parse("a"), parse("( b ( and ( not c ) ) )"))
    longer = sample_bins(2, 2000)[12][:5]
    formulas, lengths, _, _ = as_tensors([short])
    alone = module(formulas, lengths)
    filled = F.pad(formulas, (0, 9), value=PADDING)
    assert torch.equal(module(filled, lengths), alone), "by its like"
    assert torch.equal(module(torch.where(filled == PADDING, 4, filled), lengths), alone), "by other tokens"
    for batch in ([short, *longer], [*longer, short], [longer[0], short]):
        formulas, lengths, _, _ = as_tensors(batch)
        found = module(formulas, lengths)[batch.index(short)]
        torch.testing.assert_close(found, alone[0], rtol=0, atol=1e-6)


def test_the_embedding_of_filling_learns_nothing():
    module, data = classifier(dropout=0.0), tiny_data()
    for batch in data.train_dataloader():
        module.training_step(batch, 0).backward()
    assert not module.embedding.weight.grad[PADDING].any()
    assert module.embedding.weight.grad[:PADDING].any(1).all()


def by_hand(module: InferenceClassifier, batches: list[Any]) -> tuple[float, float, dict[int, list[bool]]]:
    """Loss, accuracy, and accuracy by number of operators, computed pair by pair."""
    losses, right = [], {}
    with torch.no_grad():
        for formulas, lengths, labels, operators in batches:
            for row in range(len(labels)):
                logits = module(formulas[[row]], lengths[[row]])
                losses.append(F.cross_entropy(logits, labels[[row]]).item())
                right.setdefault(int(operators[row]), []).append(bool(logits.argmax() == labels[row]))
    answers = [answer for part in right.values() for answer in part]
    return sum(losses) / len(losses), sum(answers) / len(answers), right


def test_what_is_logged_is_what_is_so():
    rows, data, module = Rows(), tiny_data(), classifier(dropout=0.0)
    run = trainer([MetricsRecorder(rows, NAMES)], max_epochs=2, gradient_clip_val=1.0)
    run.fit(module, data)
    assert [row["iteration"] for row in rows] == [data.iterations_per_epoch, 2 * data.iterations_per_epoch]
    module.eval()
    val, test = map(list, data.val_dataloader())
    for name, batches in (("val", val), ("test", test)):
        loss, accuracy, right = by_hand(module, batches)
        assert rows[-1][f"{name}_loss"] == pytest.approx(loss, rel=1e-12)
        assert rows[-1][f"{name}_accuracy"] == pytest.approx(accuracy, rel=1e-12)
    labels = {number: [] for number in range(13)}
    for _, _, found, operators in test:
        for label, number in zip(found.tolist(), operators.tolist(), strict=True):
            labels[number].append(label)
    for number in range(13):
        accuracy, majority = (rows[-1][f"{kind}_{number:02d}"] for kind in ("accuracy", "majority"))
        if labels[number]:
            assert accuracy == pytest.approx(sum(right[number]) / len(right[number]), rel=1e-12)
            most = max(map(labels[number].count, labels[number]))
            assert majority == pytest.approx(most / len(labels[number]), rel=1e-12)
        else:
            assert accuracy != accuracy
    assert rows[1]["train_loss"] < rows[0]["train_loss"]

    (tested,) = run.test(module, data, verbose=False)
    assert tested["test_loss"] == pytest.approx(rows[-1]["test_loss"], rel=1e-12)
    assert tested["accuracy_03"] == pytest.approx(rows[-1]["accuracy_03"], rel=1e-12)
    assert set(tested) <= {*NAMES}


def test_training_means_are_of_what_was_learned_from():
    rows, data, module = Rows(), tiny_data(), classifier(dropout=0.0, optimizer=lambda p: SGD(p, lr=0.0))
    trainer([MetricsRecorder(rows, NAMES)], max_epochs=2).fit(module, data)
    loss, accuracy, _ = by_hand(module.eval(), list(data._loader("train", 50)))
    for row in rows:
        assert row["train_loss"] == pytest.approx(loss, rel=1e-12)
        assert row["train_accuracy"] == pytest.approx(accuracy, rel=1e-12)


def test_a_plateau_lowers_the_learning_rate():
    """The rate falls at the same validations as with torch's own scheduler and the same accuracies."""
    rows, rates = Rows(), []

    def scheduler(optimizer: Any) -> ReduceLROnPlateau:
        return ReduceLROnPlateau(optimizer, "val_accuracy", mode="max", factor=0.5, patience=0, threshold=0.0)

    def note(run: Trainer, _: Any) -> None:
        rates.append(run.optimizers[0].param_groups[0]["lr"])

    module = classifier(optimizer=lambda p: SGD(p, lr=1e-4), lr_scheduler=scheduler)
    trainer([MetricsRecorder(rows, NAMES), Probe(on_train_epoch_end=note)], max_epochs=5).fit(module, tiny_data())
    optimizer = module.optimizer(module.parameters())
    twin, expected = scheduler(optimizer), []
    for row in rows:
        twin.step(row["val_accuracy"])
        expected.append(optimizer.param_groups[0]["lr"])
    assert rates == expected
    assert rates[-1] < rates[0]


def test_other_schedulers_step_once_a_validation():
    module = classifier(lr_scheduler=lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5))
    run = trainer(max_epochs=3)
    run.fit(module, tiny_data())
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.5**4)


def test_a_plateau_of_nothing_is_refused():
    module = classifier(lr_scheduler=lambda optimizer: ReduceLROnPlateau(optimizer, "uf1"))
    with pytest.raises(UserError, match=r"monitors 'uf1'; expected one of .*val_accuracy"):
        trainer(max_epochs=1).fit(module, tiny_data())


def test_a_dropout_that_is_none():
    with pytest.raises(UserError, match=r"dropout is 1\.0"):
        classifier(dropout=1.0)


def test_predicted_are_relations():
    data, module = tiny_data(), classifier()
    predicted = torch.cat(trainer().predict(module, data))
    assert len(predicted) == len(data._part("test")[0])
    assert set(predicted.tolist()) <= set(range(7))


def test_the_table_stands_beside_the_baseline(capsys: pytest.CaptureFixture[str]):
    data, module = tiny_data(), classifier()
    (tested,) = trainer().test(module, data, verbose=True)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert f"{100 * tested['accuracy_02']:.2f}" == next(line[2] for line in lines if line[:1] == ["2"])
    assert f"{100 * tested['majority_02']:.2f}" == next(line[3] for line in lines if line[:1] == ["2"])
    assert f"{100 * tested['test_accuracy']:.2f}" == next(line[2] for line in lines if line[:1] == ["all"])
    assert not any("test_loss" in line for line in lines), "Lightning's own list"


@pytest.mark.parametrize(
    ("name", "little", "needed"), [("tokens", 5, 12), ("num_classes", 3, 7), ("max_operators", 6, 12)]
)
def test_no_room_for_the_data_is_a_mistake(name: str, little: int, needed: int):
    with pytest.raises(
        UserError, match=rf"{name} is {little} and the data needs {needed}; set model\.init_args\.{name}"
    ):
        trainer(max_epochs=1).fit(classifier(**{name: little}), datamodule=tiny_data())


def test_embeddings_begin_as_the_papers():
    weight = classifier(ONLSTM(200, [8], 2)).embedding.weight
    assert weight.abs().max() <= 0.1
    assert weight.std().item() == pytest.approx(0.2 / 12**0.5, rel=0.1)


def test_dropout_is_on_embeddings_and_twice_in_the_head():
    """With inputs of ones, dropout sets a fifth of them to 0 and the others to 1.25."""
    module = classifier(ONLSTM(200, [80], 2)).train()
    nn.init.ones_(module.embedding.weight)
    places: dict[str, Tensor] = {}
    for name, place in (("embeddings", module.dropout), ("features", module.head[0]), ("hidden", module.head[3])):
        place.register_forward_hook(lambda _, given, put_out, name=name: places.update({name: put_out / given[0]}))
    formulas, lengths, _, _ = as_tensors([Pair("=", parse("( a ( and b ) )"), parse("( b ( and a ) )"))] * 40)
    module(formulas, lengths)
    assert places.keys() == {"embeddings", "features", "hidden"}
    assert places["embeddings"].shape[-1] == 200
    assert places["features"].shape == (40, 4 * 80)
    assert places["hidden"].shape == (40, 80)
    for name, kept in places.items():
        assert set(kept.unique().round(decimals=9).tolist()) == {0.0, 1.25}, name
        assert (kept == 0).double().mean().item() == pytest.approx(0.2, abs=0.03), name
