"""A grammar of a dozen words, a configuration that learns it in seconds, and a treebank of three sentences."""

from pathlib import Path

from helpers.command import in_process

PCFG = """
S -> NP VP [1.0]
NP -> D N [0.7] | D A N [0.3]
VP -> V NP [0.6] | V [0.4]
D -> "the" [0.6] | "a" [0.4]
A -> "old" [0.5] | "red" [0.5]
N -> "cat" [0.4] | "dog" [0.3] | "mat" [0.3]
V -> "sees" [0.5] | "likes" [0.5]
"""

CONFIG = """
experiment: tree
seed_everything: 0
model:
  class_path: app.modules.LanguageModel
  init_args:
    vocabulary_size: 11
    net: {class_path: app.nets.ONLSTM, init_args: {input_size: 8, layer_sizes: [12, 8], chunk_size: 2}}
    optimizer: {class_path: torch.optim.SGD, init_args: {lr: 5.0}}
data:
  class_path: datamodules.Grammar
  init_args:
    grammar: tiny.pcfg
    train_sentences: 100
    val_sentences: 40
    test_sentences: 40
    batch_size: 4
    val_batch_size: 2
    bptt: 10
trainer:
  max_epochs: 1
  val_check_interval: 1.0
  check_val_every_n_epoch: 1
  num_sanity_val_steps: 0
  gradient_clip_val: 0.25
  accelerator: cpu
  callbacks:
    - {class_path: callbacks.ParseLogging}
"""

MRG = """
( (S (NP-SBJ (DT The) (NN cat)) (VP (VBZ sees) (NP (DT a) (JJ red) (NN dog))) (. .)) )
( (S (NP-SBJ (DT The) (NN dog)) (VP (VBZ sleeps))) )
( (INTJ (UH Yes)) )
"""


def write_tiny_grammar(directory: Path) -> None:
    """tiny.pcfg, tree.yaml and bank/wsj_0001.mrg."""
    (directory / "tiny.pcfg").write_text(PCFG.strip() + "\n")
    (directory / "tree.yaml").write_text(CONFIG)
    (directory / "bank").mkdir()
    (directory / "bank" / "wsj_0001.mrg").write_text(MRG)


def train_tiny_grammar(directory: Path) -> None:
    """The same files, and a model trained by tree.yaml in runs/."""
    write_tiny_grammar(directory)
    done = in_process("fit", "--config", "tree.yaml", cwd=directory)
    assert done.returncode == 0, done.stderr
