"""Names of metrics that modules declare."""

from typing import Any

from app.modules import InferenceClassifier, LanguageModel
from app.nets import ONLSTM


def overview(module: Any) -> list[str]:
    """Those of a progress line, of a module or of a class that declares them itself."""
    return [metric.name for metric in module.metric_schema if not metric.detail]


LANGUAGE_NAMES = overview(LanguageModel)
INFERENCE_NAMES = overview(InferenceClassifier(ONLSTM(4, [4], 2)))
