"""What the bits of a training depend on, as a process says it."""

import platform

import pytest
import torch
from torch import nn

from app.common.kernel_sets import contradicts, differences, report_entries
from app.common.used_kernels import kernels, libraries, stacked_kernels
from app.modules import Classifier, LanguageModel
from app.nets import LSTM, ONLSTM, LeNet, feedforward, softmax
from app.nets.fused import bf16, compiled_softmax, dispatch

CPU = torch.device("cpu")


def model() -> LanguageModel:
    return LanguageModel(ONLSTM(6, [6], 2), vocabulary_size=5, tied=True, optimizer=torch.optim.SGD)


def test_a_language_model_has_all_that_it_computes_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX1024")
    monkeypatch.setattr(dispatch, "library_digest", lambda: "fedcba9876543210")
    monkeypatch.setattr(dispatch, "onednn", lambda: None)
    monkeypatch.setattr(softmax, "onednn", lambda: None)
    monkeypatch.setattr(softmax, "library_digest", lambda: "fedcba9876543210")
    monkeypatch.setattr(compiled_softmax, "library", lambda: object())
    compiled = kernels(model(), CPU)["softmax"]
    assert compiled == "compiled fedcba9876543210"
    monkeypatch.setattr(compiled_softmax, "library", lambda: None)
    found = kernels(model(), CPU)
    assert found.pop("cpu").split()[0] == "AVX1024"
    assert found.pop("float32 products") == found.pop("float32 convolutions") == "float32"
    assert found.pop("libraries").split()[0] == f"torch={torch.__version__}"
    assert found == {
        "recurrent steps": "compiled fedcba9876543210",
        "recurrent products": "PyTorch",
        "softmax": "blocks of 256 rows, PyTorch",
    }


def test_submodules_are_asked_under_the_autocast_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """As their implementations depend on it, and on the processor."""
    monkeypatch.setattr(bf16, "instructions", lambda: "AMX")
    found = {precision: kernels(model(), CPU, precision) for precision in ("32-true", "bf16-mixed", "16-mixed")}
    assert found["32-true"]["softmax"].startswith(("compiled ", "blocks of 256 rows"))
    assert found["bf16-mixed"]["softmax"] == found["bf16-mixed"]["recurrent products"] == "bfloat16 by AMX"
    assert found["bf16-mixed"]["weight dropout"] == "Philox4x32-10"
    assert found["16-mixed"]["softmax"] == "PyTorch"
    monkeypatch.setattr(bf16, "instructions", lambda: None)
    for outer, loss in ((torch.bfloat16, "PyTorch"), (torch.float32, found["32-true"]["softmax"])):
        monkeypatch.setattr(bf16, "outer_precision", lambda outer=outer: outer)
        without = kernels(model(), CPU, "bf16-mixed")
        assert without["softmax"] == loss
        assert without["recurrent products"].endswith(f"those with the input in {str(outer)[6:]}")
    asked = []

    class Asked(nn.Module):
        def kernels(self, device: str) -> dict[str, str]:
            asked.append((torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)))
            return {}

    for precision in ("32-true", "64-true", "bf16-mixed", "16-mixed"):
        kernels(Asked(), CPU, precision)
    assert [each[0] for each in asked] == [False, False, True, True]
    assert [each[1] for each in asked[2:]] == [torch.bfloat16, torch.float16]


def test_a_classifier_has_the_processor_and_the_libraries() -> None:
    assert list(kernels(nn.Linear(2, 2), CPU)) == ["cpu", "libraries", "float32 products", "float32 convolutions"]
    assert "softmax" not in kernels(LSTM(3, [4]), CPU)


def test_networks_that_are_trained_at_once_are_pytorchs() -> None:
    """Compiled code trains one at a time."""
    module = Classifier(LeNet())
    alone, stacked = kernels(module, CPU), stacked_kernels(module, CPU, "32-true")
    assert stacked.pop("linear layers") == "PyTorch"
    assert alone.pop("linear layers") in ("PyTorch", f"compiled {getattr(feedforward.library(), 'digest', None)}")
    assert stacked == alone


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other libraries")
def test_the_libraries_are_those_of_torch() -> None:
    """Against the lines in which torch itself says them."""
    told = torch.__config__.show()
    found = dict(each.split("=") for each in libraries("cpu").split())
    assert found["torch"] == torch.__version__
    assert f"MKL-DNN v{found['oneDNN']} " in told
    assert f"Version {found['MKL']}-Product" in told


def test_only_what_is_recorded_is_compared() -> None:
    assert not contradicts({"cpu": "a"}, {"cpu": "a", "softmax": "b"})
    assert contradicts({"cpu": "a", "softmax": "b"}, {"cpu": "a"})
    assert contradicts({"cpu": "b"}, {"cpu": "a"})
    assert differences([{"cpu": "x a"}, {"cpu": "x b"}], {"cpu": "x c"}) == "cpu: a -> c"


def test_a_report_has_the_others_only_if_there_were_any() -> None:
    now = {"cpu": "a", "softmax": "b"}
    assert report_entries(now, [{"cpu": "a"}, now]) == {"kernels": now}
    assert report_entries(now, [{"cpu": "c"}, now]) == {"kernels": now, "other_kernels": [{"cpu": "c"}]}
