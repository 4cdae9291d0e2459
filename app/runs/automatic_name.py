"""Names of experiments that are made from their configurations, as a sweep needs them."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from app.runs.config import effective

AUTOMATIC = "auto"  # as the name of an experiment
DIGITS = 8  # of the checksum
# What the name depends on; commands that measure have the other parts too, and are to find what `fit` has trained.
PARTS = ("model", "data", "trainer", "pruning", "best", "threads", "matmul_precision", "conv_precision")


def automatic_name(config: Mapping[str, Any]) -> str:
    """The name of a configuration, such as `lenet_mnist_3f2a91bc`: what is trained, on what, and a checksum.

    The seed is not in it, so that trainings that differ by it alone are one experiment.

    Args:
        config: the whole configuration, plain.
    """
    model, data = config.get("model") or {}, config.get("data") or {}
    net = (model.get("init_args") or {}).get("net")
    trained = net if isinstance(net, Mapping) else model
    names = [_word(str(part.get("class_path", ""))) for part in (trained, data)]
    identity = effective({part: config[part] for part in PARTS if config.get(part) is not None})
    checksum = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:DIGITS]
    return "_".join([*filter(None, names), checksum])


def _word(path: str) -> str:
    """A class path as part of a file's name: "lenet" of app.nets.LeNet."""
    return re.sub(r"[^a-z0-9]+", "_", path.rpartition(".")[2].lower()).strip("_")
