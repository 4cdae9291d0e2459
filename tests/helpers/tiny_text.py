"""A made-up text in three files, and a configuration that learns from it in a few seconds."""

import random
from pathlib import Path

CONFIG = """
experiment: tiny
seed_everything: 3
model:
  class_path: app.modules.LanguageModel
  init_args:
    vocabulary_size: 12
    net:
      class_path: app.nets.ONLSTM
      init_args: {input_size: 4, layer_sizes: [8, 4], chunk_size: 2, dropout: 0.1, weight_dropout: 0.1}
    optimizer: {class_path: torch.optim.SGD, init_args: {lr: 20.0}}
    dropout_input: 0.1
    dropout_embedding: 0.1
    alpha: 1.0
    beta: 1.0
data:
  class_path: datamodules.PTB
  init_args: {train: train.txt, valid: valid.txt, test: test.txt, batch_size: 4, val_batch_size: 2, bptt: 10}
trainer:
  max_epochs: 6
  val_check_interval: 1.0
  check_val_every_n_epoch: 1
  num_sanity_val_steps: 0
  gradient_clip_val: 0.25
  accelerator: cpu
  callbacks:
    - {class_path: callbacks.NTASGD, init_args: {nonmono: 1}}
"""

WORDS = ["the", "a", "cat", "dog", "mat", "sat", "on", "saw", "who", "N"]


def write_tiny_text(directory: Path) -> None:
    """Three texts over ten words, `<unk>` and `<eos>` besides, and tiny.yaml."""
    draw = random.Random(5)
    for name, lines in (("train", 120), ("valid", 30), ("test", 30)):
        text = [" ".join(draw.choices(WORDS, k=draw.randrange(2, 9))) for _ in range(lines)]
        text[0] = " ".join(WORDS)
        (directory / f"{name}.txt").write_text("\n".join(text) + "\n")
    (directory / "tiny.yaml").write_text(CONFIG)
