"""What is logged of a model's trees, against trees built by hand from its distances."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.language import TinyText, TinyTrees, language_model, trainer
from helpers.tiny import Probe, TinyData, TinyModule, same, tiny_trainer, weights
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, WandbLogger
from torch import Tensor

from app.common.errors import UserError
from app.modules import LanguageModel
from app.nets import LSTM
from app.parsing import GoldSentence, Tree, score
from app.report.uf1_layers import layers
from callbacks import ParseLogging

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.* is deprecated:FutureWarning")

NAMES = ["uf1_layer_1", "uf1_layer_2"]
GOLD = TinyTrees.sentences


def by_hand(distances: Sequence[float], first: int = 0) -> Tree:
    """The authors' rule: the greatest splits, and goes with what is right of it."""
    if len(distances) == 1:
        return first
    top = max(range(len(distances)), key=lambda i: (distances[i], -i))
    left, right = distances[:top], distances[top + 1 :]
    head: Tree = (first + top, by_hand(right, first + top + 1)) if right else first + top
    return (by_hand(left, first), head) if left else head


def between_words(distances: Sequence[float], first: int = 0) -> Tree:
    """Split before the greatest, the first word's value aside."""
    if len(distances) == 1:
        return first
    top = max(range(1, len(distances)), key=lambda i: (distances[i], -i))
    return between_words(distances[:top], first), between_words(distances[top:], first + top)


def trees_by_hand(found: list[Tensor], layer: int, build: Any = by_hand) -> list[Tree]:
    return [build(sentence[layer].tolist()) for sentence in found]


class Tables(CSVLogger):
    """A logger that takes tables, as W&B's does."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.tables: list[Any] = []

    def log_table(self, *arguments: Any, **options: Any) -> None:
        bound = inspect.signature(WandbLogger.log_table).bind(self, *arguments, **options)
        self.tables.append({name: value for name, value in bound.arguments.items() if name != "self"})


class Validations:
    """What every validation of a training logged, and what it should have."""

    def __init__(self, callback: ParseLogging, gold: Sequence[GoldSentence] = GOLD, build: Any = by_hand) -> None:
        self.logged: list[list[float]] = []
        self.right: list[list[float]] = []
        self.trees: list[list[list[Tree]]] = []
        self.gold, self.build = gold, build
        self.callbacks = [callback, Probe(on_validation_start=self.judge, on_validation_end=self.note)]

    def judge(self, run: Trainer, module: LanguageModel) -> None:
        if not run.sanity_checking:
            found = module.distances([sentence.words for sentence in self.gold])
            self.trees.append([trees_by_hand(found, layer, self.build) for layer in range(2)])
            self.right.append([100 * score(trees, self.gold).sentence_f1 for trees in self.trees[-1]])

    def note(self, run: Trainer, module: LanguageModel) -> None:
        if not run.sanity_checking:
            self.logged.append([float(run.callback_metrics[name]) for name in NAMES])


def fit(watched: Validations, data: Any = None, model: LanguageModel | None = None, **arguments: Any) -> Trainer:
    run = trainer(watched.callbacks, **{"max_epochs": 1, "val_check_interval": 1} | arguments)
    run.fit(model or language_model(), data or TinyTrees(), ckpt_path=arguments.pop("ckpt_path", None))
    return run


def approximately(rows: Sequence[Sequence[float]]) -> list[Any]:
    return [pytest.approx(row, rel=1e-6, nan_ok=True) for row in rows]


@pytest.mark.parametrize(("builder", "build"), [("shen2018", by_hand), ("between_words", between_words)])
def test_it_logs_the_f1_of_every_layer(builder: str, build: Any) -> None:
    def stir(run: Trainer, module: LanguageModel) -> None:
        module.reset_parameters()
        with torch.no_grad():
            module.embedding.weight.mul_(20)

    watched = Validations(ParseLogging(builder=builder), build=build)
    watched.callbacks.append(Probe(on_train_batch_end=stir))
    fit(watched)
    assert len(watched.logged) == 6
    assert watched.logged == approximately(watched.right)
    assert len({tuple(row) for row in watched.right}) > 3
    assert any(row[0] != row[1] for row in watched.right)


def test_several_builders_log_the_f1_of_each() -> None:
    watched = Validations(ParseLogging(builder=["shen2018", "between_words"]))
    right: list[list[float]] = []

    def judge(run: Trainer, module: LanguageModel) -> None:
        found = module.distances([sentence.words for sentence in GOLD])
        trees = [trees_by_hand(found, layer, between_words) for layer in range(2)]
        right.append([100 * score(each, GOLD).sentence_f1 for each in trees])

    logged: list[list[float]] = []

    def note(run: Trainer, module: LanguageModel) -> None:
        logged.append([float(run.callback_metrics[f"{name}_between_words"]) for name in NAMES])

    watched.callbacks += [Probe(on_validation_start=judge, on_validation_end=note)]
    fit(watched, num_sanity_val_steps=0)
    assert watched.logged == approximately(watched.right)
    assert logged == approximately(right)
    assert logged != watched.logged


@pytest.mark.parametrize("builder", [[], ["shen2018", "shen2018"], ["shen2018", "by_hand"]])
def test_builders_that_are_none_or_twice_or_unknown(builder: list[str]) -> None:
    with pytest.raises(UserError, match="expected one of shen2018, between_words or several of these, each once"):
        ParseLogging(builder=builder)


@pytest.mark.parametrize("every", [2, 3])
def test_every_so_many_validations(every: int) -> None:
    watched = Validations(ParseLogging(every=every))
    fit(watched, num_sanity_val_steps=1)
    nothing = [float("nan")] * 2
    right = [row if number % every == 0 else nothing for number, row in enumerate(watched.right)]
    assert watched.logged == approximately(right)


def test_only_the_first_sentences() -> None:
    watched = Validations(ParseLogging(sentences=2), GOLD[:2])
    fit(watched)
    assert watched.logged == approximately(watched.right)
    whole = Validations(ParseLogging())
    fit(whole)
    assert whole.logged != watched.logged


def test_a_second_training_parses_at_its_first_validation() -> None:
    callback, logged = ParseLogging(every=4), []
    for _ in range(2):
        watched = Validations(callback)
        fit(watched)
        logged.append(watched.logged)
    assert logged[1] == approximately(logged[0])


def test_parsing_does_not_disturb_training() -> None:
    plain, parsed = language_model(), language_model()
    for model, callbacks in ((plain, []), (parsed, [ParseLogging()])):
        torch.manual_seed(1)
        trainer(callbacks, max_epochs=2, val_check_interval=2).fit(model, TinyTrees())
    assert same(weights(plain), weights(parsed))


def spelt(tree: Tree, words: Sequence[str]) -> str:
    return f"({' '.join(spelt(child, words) for child in tree)})" if isinstance(tree, tuple) else words[tree]


def test_a_table_of_trees_for_loggers_that_take_tables(tmp_path: Path) -> None:
    tables, plain = Tables(tmp_path / "a"), CSVLogger(tmp_path / "b")
    watched = Validations(ParseLogging(every=2, trees=3))
    fit(watched, logger=[plain, tables], log_every_n_steps=1)
    assert [table["step"] for table in tables.tables] == [1, 3, 5]
    for table, trees in zip(tables.tables, watched.trees[::2], strict=True):
        assert table["key"] == "trees"
        assert table["columns"] == ["gold", "layer 1", "layer 2"]
        assert table["data"] == [
            [spelt(sentence.tree, sentence.words), *(spelt(layer[number], sentence.words) for layer in trees)]
            for number, sentence in enumerate(GOLD[:3])
        ]


def test_no_table_where_no_trees_are_wanted(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    fit(Validations(ParseLogging(trees=0)), logger=tables, log_every_n_steps=1)
    assert tables.tables == []


def test_only_a_training_is_parsed() -> None:
    for evaluate in (trainer([ParseLogging()]).validate, trainer([ParseLogging()]).test):
        (metrics,) = evaluate(language_model(), TinyTrees(), verbose=False)
        assert not any(name.startswith("uf1") for name in metrics)


def test_evaluating_asks_for_no_trees() -> None:
    trainer([ParseLogging("/no/such/folder")]).test(language_model(), TinyText(), verbose=False)


def test_the_names_of_a_module() -> None:
    for model, names in ((language_model(), NAMES), (LanguageModel(LSTM(4, [4]), 8), NAMES[:1])):
        assert [metric.name for metric in ParseLogging().metric_schema(model)] == names
        both = ParseLogging(builder=["between_words", "shen2018"]).metric_schema(model)
        assert [metric.name for metric in both] == [*names, *(f"{name}_shen2018" for name in names)]


def test_dependency_subtrees_are_marked(tmp_path: Path) -> None:
    columns = ["1", "yes", "_", "INTJ", "_", "_", "0", "root", "_", "_"]
    (tmp_path / "a.conllu").write_text("\t".join(columns) + "\n\n")
    (tmp_path / "b.txt").write_text("((the cat) sat)\n")
    for name, what in (("a.conllu", "UF1 of dependency subtrees"), ("b.txt", "UF1"), ("none", "UF1")):
        metrics = ParseLogging(str(tmp_path / name)).metric_schema(language_model())
        assert metrics[0].label == f"{what}, layer 1"
        assert layers(metrics)[0].label == f"{what}, layer 1"  # as a report shows it


def test_a_single_layer() -> None:
    run = trainer([ParseLogging()], max_epochs=1)
    run.fit(language_model(LSTM(4, [4])), TinyTrees())
    assert {name for name in run.callback_metrics if name.startswith("uf1")} == {"uf1_layer_1"}


def test_it_goes_on_counting_after_a_resume(tmp_path: Path) -> None:
    def save(run: Trainer, module: Any) -> None:
        if run.global_step == 4 and not run.sanity_checking:
            run.save_checkpoint(tmp_path / "4.ckpt")

    whole = Validations(ParseLogging(every=3))
    run = trainer([*whole.callbacks, Probe(on_validation_end=save)], max_epochs=2, val_check_interval=1)
    run.fit(language_model(), TinyTrees())
    rest = Validations(ParseLogging(every=3))
    trainer(rest.callbacks, max_epochs=2, val_check_interval=1).fit(
        language_model(), TinyTrees(), ckpt_path=tmp_path / "4.ckpt"
    )
    seen = [row[0] == row[0] for row in whole.logged]
    assert seen[:5] == [True, False, False, True, False]
    assert [row[0] == row[0] for row in rest.logged] == seen[4:]


# Two sentences of two sections, as the treebank's files have them.
MRG = "( (S (NP (DT The) (NN cat)) (VP (VBZ sees) (NP (DT a) (NN dog))) (. .)) )\n"


def treebank(folder: Path) -> Path:
    for number in (1, 199):
        (folder / f"wsj_{number:04d}.mrg").write_text(MRG)
    return folder


@pytest.mark.filterwarnings("ignore:.*not the Penn Treebank:UserWarning")
@pytest.mark.parametrize("split", [None, "all", "short"])
def test_a_treebank_of_ones_own(tmp_path: Path, split: str | None) -> None:
    gold = [GoldSentence(("the", "cat", "sees", "a", "dog"), ((0, 1), (2, (3, 4))))] * 2
    watched = Validations(ParseLogging(str(treebank(tmp_path)), split), gold)
    fit(watched, TinyText())
    assert watched.logged == approximately(watched.right)


def test_it_says_what_a_treebank_is(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="is not the Penn Treebank by its tags"):
        fit(Validations(ParseLogging(str(treebank(tmp_path)))), TinyText())


def test_a_split_of_no_treebank() -> None:
    with pytest.raises(UserError, match="split is 'wsj10', but no treebank is given"):
        ParseLogging(split="wsj10")


@pytest.mark.filterwarnings("ignore:.*not the Penn Treebank:UserWarning")
def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^[^\n]*'test'[^\n]*all[^\n]*$"):
        fit(Validations(ParseLogging(str(treebank(tmp_path)), "test")), TinyText())


def test_a_folder_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"^/no/such/folder[^\n]*$"):
        fit(Validations(ParseLogging("/no/such/folder")), TinyText())


def test_data_without_trees() -> None:
    with pytest.raises(UserError, match=r"^ParseLogging: the data has no gold trees; [^\n]+$"):
        fit(Validations(ParseLogging()), TinyText())


def test_other_data_has_other_trees() -> None:
    class Others(TinyTrees):
        sentences = GOLD[:1]

    callback = ParseLogging()
    fit(Validations(callback))
    watched = Validations(callback, GOLD[:1])
    fit(watched, Others())
    assert watched.logged == approximately(watched.right)


def test_a_module_without_distances() -> None:
    with pytest.raises(UserError, match=r"^ParseLogging: TinyModule has no distances; [^\n]+$"):
        tiny_trainer([ParseLogging()], max_steps=1).fit(TinyModule(), TinyData())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"builder": "mine"}, "builder is 'mine'; expected one of shen2018, between_words"),
        ({"every": 0}, "every is 0; expected 1 or more"),
        ({"sentences": 0}, "sentences is 0; expected 1 or more"),
        ({"trees": -1}, "trees is -1; expected 0 or more"),
    ],
)
def test_what_makes_no_sense(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        ParseLogging(**options)
    assert str(caught.value) == f"ParseLogging: {said}"


@pytest.mark.parametrize(("precision", "mixed"), [("32-true", False), ("bf16-mixed", True)])
def test_sentences_are_read_in_the_precision_of_the_training(
    precision: Any, mixed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    read = LanguageModel.distances

    def distances(self: LanguageModel, sentences: Any) -> Any:
        asked.append(torch.is_autocast_enabled("cpu"))
        return read(self, sentences)

    monkeypatch.setattr(LanguageModel, "distances", distances)
    run = trainer(max_epochs=1, precision=precision, callbacks=[ParseLogging()])
    run.fit(language_model(), datamodule=TinyTrees())
    assert asked == [mixed]
