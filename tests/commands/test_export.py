"""`export`: tickets of a tiny lottery as files, for `load_ticket`, other runtimes and the reader in the document."""

import ast
import copy
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.command import REPOSITORY
from helpers.tiny import same, weights
from torch import Tensor, nn

from app import __main__
from app.commands.export import run_export
from app.commands.export_formats import to_onnx_of_words, to_sparse_state
from app.commands.export_options import VALUE_TYPES, parse_arguments
from app.common.errors import UserError
from app.modules import LanguageModel
from app.nets import LSTM, ONLSTM, LeNet
from app.pruning.stored_values import TYPES
from app.runs.layout import NetworkKey
from app.runs.tensors import load_tensors, save_tensors
from app.runs.ticket import load_ticket
from datamodules import Synthetic10

TICKET = Path("runs/tiny") / NetworkKey(0, "iterative", 3).path
SMALL = {"train_images": 120, "val_images": 60, "test_images": 60, "batch_size": 30, "gray": True, "side": 28}
DOCUMENT = (REPOSITORY / "docs" / "tickets.md").read_text()


def main(arguments: Sequence[object], cwd: Path, patch: pytest.MonkeyPatch) -> int:
    """`python -m app` in this process."""
    words = [str(argument) for argument in arguments]
    patch.chdir(cwd)
    patch.setattr("sys.argv", ["app", *words])
    patch.setattr("warnings.showwarning", None)
    return __main__.main(words)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lottery of LeNets on a few images, whose third tickets have 3 % of their weights."""
    directory = tmp_path_factory.mktemp("made")
    data = [word for name, value in SMALL.items() for word in (f"--data.{name}", str(value).lower())]
    options = ["--pruning.rounds", 3, "--pruning.rates.fc", 0.7, "--pruning.rates.output", 0.7]
    trainer = ["--trainer.max_steps", 4, "--trainer.logger", "false", "--trainer.accelerator", "cpu"]
    model = ["--model", "app.modules.Classifier", "--model.net", "app.nets.LeNet"]
    with pytest.MonkeyPatch.context() as patch:
        command = ["lottery", *model, "--data", "datamodules.Synthetic10", *data, *trainer, *options]
        assert main([*command, "--experiment", "tiny"], directory, patch) == 0
    return directory


def export(
    made: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], out: Path, *options: str
) -> dict[str, str]:
    """Run the command; returns what it prints, by the beginning of the line."""
    assert main(["export", TICKET, out, *options], made, patch) == 0
    lines = capsys.readouterr().out.splitlines()
    return dict(line.split(": ", 1) for line in lines)


def number(text: str, name: str) -> int:
    """The whole number that follows a name."""
    found = re.search(rf"{name} ([\d,]*\d)", text)
    assert found is not None
    return int(found[1].replace(",", ""))


def trained(made: Path) -> tuple[LeNet, dict[str, Tensor]]:
    net = LeNet().eval()
    return net, load_ticket(made / TICKET, net, weights="final")


def images() -> Tensor:
    data = Synthetic10(**SMALL)
    data.prepare_data()
    data.setup("test")
    batch = next(iter(data.test_dataloader()))
    return batch[0]


@pytest.mark.parametrize("which", ["final", "start"])
def test_a_file_is_the_ticket_to_the_bit(
    made: Path, tmp_path: Path, which: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = export(made, monkeypatch, capsys, tmp_path / "ticket", "--weights", which)
    wanted, found = LeNet(), LeNet()
    masks = load_ticket(made / TICKET, wanted, weights=which)
    assert same(load_ticket(tmp_path / "ticket", found), masks)
    assert same(weights(found), weights(wanted))
    assert same(load_ticket(tmp_path / "ticket", found, weights=which), masks)
    other = "start" if which == "final" else "final"
    with pytest.raises(
        UserError, match=rf"holds the {which} weights of a ticket; export it again with --weights {other}"
    ):
        load_ticket(tmp_path / "ticket", found, weights=other)
    survivors = sum(int(mask.sum()) for mask in masks.values())
    assert number(said["bytes"], "surviving weights") == 4 * survivors
    assert number(said["bytes"], "dense weights") == 4 * (266_200 + 410)
    limit = re.search(r"([\d.]+) of the limit", said["bytes"])
    assert limit is not None
    assert 0.9 < float(limit[1]) < 1.05
    assert (tmp_path / "ticket").stat().st_size < 1.1 * (number(said["bytes"], "masks") + 4 * survivors + 4 * 410)


@pytest.mark.parametrize(("kind", "most"), [("bfloat16", 2**-8), ("float16", 2**-11), ("int8", 0.02)])
def test_fewer_bits_and_the_error_that_is_said(
    made: Path,
    tmp_path: Path,
    kind: str,
    most: float,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = export(made, monkeypatch, capsys, tmp_path / "ticket", "--values", kind)["error of surviving weights"]
    net, wanted = LeNet(), trained(made)[0]
    load_ticket(tmp_path / "ticket", net)
    pairs = [(p - q, q) for p, q in zip(net.parameters(), wanted.parameters(), strict=True) if p.ndim > 1]
    error, weight = (torch.cat([each.detach().flatten() for each in some]) for some in zip(*pairs, strict=True))
    assert 0 < error.norm() / weight.norm() < most
    assert said.startswith(
        f"largest {float(error.abs().max()):.3g}, root mean square {error.norm() / weight.norm():.3%}"
    )
    assert net.fc1.bias.equal(wanted.fc1.bias)


def test_a_compact_ticket_puts_out_the_same(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = export(made, monkeypatch, capsys, tmp_path / "compact", "--compact")
    small, net = LeNet().eval(), trained(made)[0]
    masks = load_ticket(tmp_path / "compact", small)
    assert small.fc2.in_features < 300
    assert f"fc1 300 -> {small.fc1.out_features}, fc2 100 -> {small.fc2.out_features}" in said["units"]
    assert said["compact"].startswith("outputs differ by at most ")
    assert torch.allclose(small(images()), net(images()), atol=1e-6)
    assert float(said["compact"].split("; by ")[1].split()[0]) < 1e-6
    assert all(mask.equal(weights(small)[name] != 0) for name, mask in masks.items())


def test_onnx_computes_the_same_elsewhere(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    export(made, monkeypatch, capsys, tmp_path / "net.onnx", "--format", "onnx", "--compact")
    session = runtime.InferenceSession((tmp_path / "net.onnx").read_bytes())
    (found,) = session.run(None, {"input": images()[:7].numpy()})
    assert np.allclose(found, trained(made)[0](images()[:7]).detach(), atol=1e-5)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta state")
def test_a_sparse_state_computes_the_same_in_plain_torch(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export(made, monkeypatch, capsys, tmp_path / "net.pt", "--format", "torch")
    net, (wanted, masks) = LeNet().eval(), trained(made)
    net.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True), assign=True)
    assert net.fc1.weight.layout == torch.sparse_csr
    assert len(net.fc1.weight.values()) == int((wanted.fc1.weight != 0).sum()) <= int(masks["fc1.weight"].sum())
    with torch.no_grad():
        assert torch.allclose(net(images()), wanted(images()), atol=1e-5)


# The readers in the document


def code_in_document(word: str) -> str:
    """The one block of Python in the document that has this word."""
    (code,) = (code for code in re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL) if word in code)
    return code


def test_the_reader_in_the_document_needs_numpy_alone(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = code_in_document("numpy")
    assert len([line for line in code.splitlines() if line.strip()]) <= 30
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {alias.name for node in imports for alias in node.names} == {"hashlib", "json", "numpy"}
    names: dict[str, Any] = {}
    exec(code, names)
    for kind in ("float32", "bfloat16", "float16", "int8"):
        path = tmp_path / kind
        export(made, monkeypatch, capsys, path, "--values", kind)
        masks, state = names["read_ticket"](path)
        net = nn.ModuleDict({"net": LeNet()})
        expected = load_ticket(path, net)
        assert {name: mask.tolist() for name, mask in masks.items()} == {n: m.tolist() for n, m in expected.items()}
        assert state.keys() == weights(net).keys()
        assert all(np.array_equal(value.astype("f4"), weights(net)[name]) for name, value in state.items())
    masks, state = names["read_ticket"](made / TICKET / "final.safetensors")
    assert same(
        {name: torch.from_numpy(value.copy()) for name, value in state.items()},
        load_tensors(made / TICKET / "final.safetensors"),
    )
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged"):
        names["read_ticket"](path)


# What can be wrong


def refusal(argv: Sequence[object], model: nn.Module | None = None) -> str:
    with pytest.raises(UserError) as raised:
        run_export(parse_arguments([str(word) for word in argv]), lambda _: (model or LeNet(), None))
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_is_refused(made: Path, tmp_path: Path) -> None:
    ticket = made / TICKET
    assert "no network of a lottery; name one, as in runs/X" in refusal([made / "runs/tiny", tmp_path / "out"])
    assert f"{tmp_path} is a directory; name a file" in refusal([ticket, tmp_path])
    (tmp_path / "mine").write_text("mine")
    assert "is there already and has other contents; move it away" in refusal([ticket, tmp_path / "mine"])
    assert "--values int8 is of --format ticket" in refusal([ticket, "out", "--values", "int8", "--format", "onnx"])
    assert "no finished network there" in refusal([ticket.with_name("round_09"), tmp_path / "out"])
    recurrent = LanguageModel(ONLSTM(8, [8], 2), vocabulary_size=5)
    for form in ("ticket", "onnx", "torch"):
        message = refusal([ticket, tmp_path / "out", "--compact", "--format", form], recurrent)
        assert message == "net.layers.0 is recurrent, so that no unit of it is a constant; leave out --compact"
    for form in ("onnx", "torch"):
        message = refusal([ticket, tmp_path / "out", "--format", form], nn.Sequential(nn.LSTM(3, 4)))
        assert message == "0 is recurrent, and no language model's; choose --format ticket"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("net", [ONLSTM(8, [12, 8], 2), LSTM(8, [8])], ids=["ONLSTM", "LSTM"])
def test_onnx_reads_words_as_the_language_model(net: ONLSTM | LSTM) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = LanguageModel(net, vocabulary_size=5).eval()
    session = runtime.InferenceSession(to_onnx_of_words(model))
    text, names = torch.randint(5, (4, 6)), [each.name for each in session.get_inputs()]
    assert [each.name for each in session.get_outputs()][1:] == [f"next_{name}" for name in names[1:]]
    state = [np.zeros((6, size), np.float32) for _ in "hc" for size in ([12, 8] if len(net.layers) == 2 else [8])]
    found = []
    for tokens in text:
        logits, *state = session.run(None, dict(zip(names, [tokens[None].numpy(), *state], strict=True)))
        found.append(logits)
    with torch.no_grad():
        expected, (h, c) = model(text)
    assert np.allclose(np.concatenate(found), expected, atol=1e-6)
    assert all(np.allclose(one, other, atol=1e-6) for one, other in zip(state, (*h, *c), strict=True))


def test_a_sparse_state_is_made_without_torch_s_warning() -> None:
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            to_sparse_state(nn.Sequential(nn.Linear(4, 3)), {"0.weight": torch.eye(3, 4) > 0})
    finally:
        torch.set_warn_always(False)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta state")
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("kind", [ONLSTM, LSTM])
@torch.no_grad()
def test_a_sparse_state_reads_words_as_the_language_model(kind: type[ONLSTM | LSTM], inverted: bool) -> None:
    """In a model of this package and in the document's code, both with the state carried from window to window."""
    chunks = {"chunk_size": 2} if kind is ONLSTM else {}

    def make() -> LanguageModel:
        net = kind(8, [12, 8], weight_dropout=0.4, weight_dropout_inverted=inverted, **chunks)
        return LanguageModel(net, vocabulary_size=5).eval()

    model, found = make(), make()
    masks = {
        name: torch.rand(weight.shape) < 0.3
        for name, weight in model.named_parameters()
        if "weight" in name and name != "net.layers.1.weight_ih"
    }
    for name, mask in masks.items():
        model.get_parameter(name).mul_(mask)
    text, state = torch.randint(5, (2, 6, 3)), None
    expected = []
    for window in text:
        logits, state = model(window, state)
        expected.append(logits)
    assert state is not None
    exported = torch.load(io.BytesIO(to_sparse_state(copy.deepcopy(model), masks)), weights_only=True)
    layouts = {name for name, value in exported.items() if value.layout == torch.sparse_csr}
    assert layouts == {f"net.layers.{which}" for which in ("0.weight_ih", "0.weight_hh", "1.weight_hh")}
    assert len(exported["net.layers.0.weight_hh"].values()) == int(masks["net.layers.0.weight_hh"].sum())

    found.load_state_dict(exported, assign=True)
    after = None
    for window, wanted in zip(text, expected, strict=True):
        logits, after = found(window, after)
        assert torch.allclose(logits, wanted, atol=1e-6)
    assert after is not None
    last = [*state[0], *state[1]]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip([*after[0], *after[1]], last, strict=True))

    names: dict[str, Any] = {}
    exec(code_in_document("chunk_size"), names)
    h, c = ([torch.zeros(units, 3) for units in (12, 8)] for _ in "hc")
    for window, wanted in zip(text, expected, strict=True):
        logits = names["read"](exported, window, h, c, **chunks, keep=1.0 if inverted else 0.6)
        assert torch.allclose(logits, wanted, atol=1e-6)
    assert all(torch.allclose(a.t(), b, atol=1e-6) for a, b in zip([*h, *c], last, strict=True))


def test_the_reader_of_language_models_needs_torch_alone() -> None:
    code = ast.parse(code_in_document("chunk_size"))
    imports = [node for node in ast.walk(code) if isinstance(node, ast.Import | ast.ImportFrom)]
    found = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    assert found | {node.module for node in imports if isinstance(node, ast.ImportFrom)} == {
        "torch",
        "torch.nn.functional",
    }


def test_files_that_are_no_tickets(made: Path, tmp_path: Path) -> None:
    save_tensors(tmp_path / "dense", weights(LeNet()))
    for path, what in ((tmp_path / "dense", "masks"), (made / TICKET / "mask.safetensors", "weights")):
        with pytest.raises(UserError, match=rf"no ticket \(no {what}\); python -m app export writes them"):
            load_ticket(path, LeNet())


def test_the_same_command_again_changes_nothing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export(made, monkeypatch, capsys, tmp_path / "ticket")
    before = (tmp_path / "ticket").read_bytes()
    export(made, monkeypatch, capsys, tmp_path / "ticket")
    assert (tmp_path / "ticket").read_bytes() == before


def test_every_type_of_values_that_can_be_stored_is_offered() -> None:
    assert tuple(TYPES) == VALUE_TYPES
