"""The layout of images is a matter of speed: the same networks up to rounding, the same files, the same resumption."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny import same, tiny_trainer, weights, with_validation
from helpers.tiny_images import SIDE, TinyImages
from torch import Tensor, nn
from torch.optim import SGD

from app.common.errors import Interrupted, UserError
from app.modules import Classifier
from app.nets import Conv2, LeNet, ResNet
from callbacks import IterativePruningCallback, ResumeCheckpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

STEPS = 5
NETS: dict[str, Any] = {"conv2": lambda: Conv2(side=SIDE), "resnet": lambda: ResNet(8)}


def classifier(name: str, *, channels_last: bool) -> Classifier:
    torch.manual_seed(0)
    optimizer = lambda parameters: SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-3)  # noqa: E731
    return Classifier(NETS[name](), optimizer, channels_last=channels_last)


def fit(module: Classifier, *callbacks: Any, checkpoint: Path | None = None, **arguments: Any) -> Any:
    trainer = tiny_trainer(callbacks, **{"max_steps": STEPS, "max_epochs": -1} | arguments)
    found = checkpoint if checkpoint is not None and checkpoint.exists() else None
    with suppress(Interrupted):
        trainer.fit(module, TinyImages(), ckpt_path=found, weights_only=True if found else None)
    return trainer


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_network_gets_its_images_in_this_layout(channels_last: bool) -> None:
    """In training and in validation, in one part or several."""
    module, seen = classifier("conv2", channels_last=channels_last), []

    def note(net: nn.Module, images: tuple[Tensor, ...]) -> None:
        seen.append((net.training, images[0].is_contiguous(memory_format=torch.channels_last)))

    module.net.register_forward_pre_hook(note)
    fit(module, **with_validation(2))
    assert set(seen) == {(True, channels_last), (False, channels_last)}


@pytest.mark.parametrize("name", NETS)
def test_a_training_differs_in_rounding_alone(name: str) -> None:
    ours, plain = (classifier(name, channels_last=value).double() for value in (True, False))
    for module in (ours, plain):
        fit(module, precision="64-true")
    for key, value in weights(ours).items():
        torch.testing.assert_close(value, weights(plain)[key], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", NETS)
def test_tickets_and_checkpoints_have_the_plain_layout_and_resume_to_the_same_bits(tmp_path: Path, name: str) -> None:
    """Rewound in place, pruned and trained again, whole and in processes of one iteration."""
    rates = {"conv": 0.3} if name == "resnet" else {"conv": 0.3, "fc": 0.3, "output": 0.3}
    pruning, module = IterativePruningCallback(rates), classifier(name, channels_last=True)
    fit(module, pruning)
    start = dict(pruning.rewind_point)
    trainer = fit(module, pruning)
    assert pruning.round == 1
    for mask_name, mask in pruning.masks.items():
        assert not module.get_parameter(mask_name)[~mask].any()
    states = [weights(module), start, *(trainer.optimizers[0].state[each] for each in module.parameters())]
    assert all(tensor.is_contiguous() for state in states for tensor in state.values())
    assert all(parameter.is_contiguous() for parameter in module.parameters())

    path, ticket = tmp_path / "last.ckpt", pruning.masks
    for _ in range(STEPS):
        resumed, pruned = classifier(name, channels_last=True), IterativePruningCallback(rates)
        pruned.adopt(ticket, round=1)
        pruned.rewind_point = start
        resumed.load_state_dict(start)
        stopping = ResumeCheckpoint(path, every_seconds=0.0, stop=lambda: True)
        fit(resumed, pruned, stopping, checkpoint=path)
    assert same(weights(resumed), weights(module))


def test_rows_are_left_as_they_are() -> None:
    """Data of another number of dimensions has no channels."""
    module = Classifier(LeNet(), channels_last=True)
    rows = torch.randn(3, 784)
    assert module(rows).equal(Classifier(module.net)(rows))


def test_networks_trained_at_once_do_without() -> None:
    assert Classifier(LeNet()).stackable()
    with pytest.raises(UserError, match=r"leave channels_last out, or choose --pruning\.stack 1"):
        Classifier(LeNet(), channels_last=True).stackable()
