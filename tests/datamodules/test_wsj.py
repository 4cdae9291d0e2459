import warnings
from pathlib import Path

import pytest
from helpers.needs import DATA, needs_data
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from app.common.errors import UserError
from app.common.vocabulary import Vocabulary
from datamodules.wsj import GROUP_SIZE, WSJ, SentenceGroups

SENTENCES = [f"( (S (NP (DT The) (NN dog)) (VP (VBZ barks){' (RB now)' * length}) (. .)) )" for length in range(20)]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A treebank of twenty sentences, of 3 to 22 words."""
    (tmp_path / "wsj_0001.mrg").write_text("\n".join(SENTENCES))
    return tmp_path


@pytest.fixture
def read(folder):
    """read(split) returns a data module that is set up."""

    def make(split: str | None = None) -> WSJ:
        data = WSJ(str(folder), split)
        with pytest.warns(UserWarning, match="is not the Penn Treebank"):
            data.prepare()
        return data

    return make


def test_the_sentences_and_trees_are_there_with_their_notice(read):
    data = read()
    assert [len(sentence.words) for sentence in data.sentences] == list(range(3, 23))
    assert data.sentences[0].words == ("the", "dog", "barks")
    assert data.sentences[0].tree == ((0, 1), 2)
    assert data.sentences is data.treebank.splits["all"]
    assert data.checksums == data.treebank.checksums


def test_a_split_can_be_chosen(read):
    assert [len(sentence.words) for sentence in read("short").sentences] == list(range(3, 11))


def test_the_files_are_read_once_and_the_notice_is_given_once(read, folder):
    data = read()
    (folder / "wsj_0001.mrg").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.prepare()
    assert len(data.sentences) == 20


@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_split_that_is_not_there_is_refused_with_those_that_are(folder, split):
    data = WSJ(str(folder), split)
    with pytest.raises(UserError, match=f"treebank in .*: there is no split '{split}'; choose from all, short$"):
        data.setup()


def test_an_empty_split_is_refused(folder):
    (folder / "wsj_0001.mrg").write_text(SENTENCES[-1])
    with pytest.raises(UserError, match=r"there is no split 'short'; choose from all$"):
        WSJ(str(folder), "short").setup()


def test_what_was_not_read_is_not_given(folder):
    for ask in ("treebank", "sentences", "checksums"):
        with pytest.raises(UserError, match=r"WSJ: the data has not been read yet; call prepare\(\) first"):
            getattr(WSJ(str(folder)), ask)


def test_no_treebank_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no such folder or file; put the treebank there"):
        WSJ(str(tmp_path / "none")).setup()


@pytest.mark.parametrize("count", [0, 1, GROUP_SIZE, 3 * GROUP_SIZE + 5])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_the_processes_share_every_sentence_once(count, world_size):
    sentences = [(f"word{number}",) for number in range(count)]
    shares = [SentenceGroups(sentences, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert all(len(share) == len(list(share)) for share in shares)
    groups = [group for share in shares for group in share]
    assert sorted(sentence for group in groups for sentence in group) == sorted(sentences)
    assert all(0 < len(group) <= GROUP_SIZE for group in groups)


def test_a_module_reads_the_words_in_the_spelling_of_its_vocabulary(read):
    class Words(LightningModule):
        vocabulary = Vocabulary(["<eos>", "The", "dog"])

        def predict_step(self, batch: list[tuple[str, ...]]) -> tuple[str, ...]:
            return batch[0]

    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    (first, _) = trainer.predict(Words(), datamodule=read())
    assert first == ("The", "dog", "barks")


def test_a_trainer_predicts_group_by_group_in_order(read):
    class Lengths(LightningModule):
        def predict_step(self, batch: list[tuple[str, ...]]) -> list[int]:
            return [len(words) for words in batch]

    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    assert trainer.predict(Lengths(), datamodule=read()) == [list(range(3, 19)), list(range(19, 23))]


def test_the_command_line_can_make_it():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    config = parser.parse_args(["--data=datamodules.wsj.WSJ", "--data.split=wsj10"])
    defaults = {
        "tags": None,
        "lower_case": None,
        "numbers": None,
        "punctuation": False,
        "labels": None,
        "encoding": None,
    }
    assert vars(config.data.init_args) == {"data_dir": "data/treebank", "split": "wsj10", **defaults}
    config = parser.parse_args(["--data=datamodules.wsj.WSJ", "--data.tags={punctuation: [PU]}"])
    assert config.data.init_args.tags == {"punctuation": ["PU"]}


def test_words_are_read_as_the_options_say(folder):
    data = WSJ(str(folder), tags={"punctuation": ["DT"]}, lower_case=False, punctuation=False)
    with pytest.warns(UserWarning, match=r"tag set own \(tags of your own\), as asked; 20 of"):
        data.prepare()
    assert data.sentences[0].words == ("dog", "barks", ".")
    with pytest.raises(UserError, match="--tags is 'pen'; expected penn, ontonotes, ctb"):
        WSJ(str(folder), tags="pen")


@needs_data("treebank")
def test_the_real_sample_fills_every_group():
    data = WSJ(str(DATA / "treebank"))
    with pytest.warns(UserWarning, match=r"159 files, 3,396 sentences"):
        data.prepare()
    assert [len(group) for group in data.predict_dataloader()] == [16] * 212 + [4]
