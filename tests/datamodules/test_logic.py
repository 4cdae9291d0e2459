"""The Logic data module: sampling, reading, splits, and errors."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.logic import PUBLISHED, published

from app.common.errors import UserError
from app.common.seeds import derive_seed
from app.logic import PADDING, RELATIONS, TOKENS, Pair, sample_bins, split
from datamodules import Logic

DRAWS = 3000
PATTERNS = {"A": ["( and ( not a ) )"], "B": ["( and ( not"], "C": ["( and ( not", "( or ( not"]}


@pytest.fixture(scope="module")
def drawn() -> Logic:
    data = Logic(draws=DRAWS)
    data.prepare()
    return data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sampled pairs in files like the published ones. Read only."""
    folder = tmp_path_factory.mktemp("logic")
    for number, bin in enumerate(sample_bins(derive_seed(0, 0, "logic"), DRAWS)):
        for part, pairs in zip(("train", "test"), split(bin), strict=True):
            (folder / f"{part}{number}").write_text("".join(f"{pair.line}\n" for pair in pairs))
    return folder


def rows(loader) -> Iterator[tuple[str, str, str, int]]:
    """Every row of a loader as words: relation, left, right, operators."""
    for formulas, lengths, labels, operators in loader:
        assert formulas.dtype == torch.uint8
        for sides, ends, label, count in zip(formulas.tolist(), lengths.tolist(), labels, operators, strict=True):
            left, right = (
                " ".join(TOKENS[token] for token in side[:end]) for side, end in zip(sides, ends, strict=True)
            )
            assert all(set(side[end:]) <= {PADDING} for side, end in zip(sides, ends, strict=True))
            yield RELATIONS[label], left, right, int(count)


def test_what_is_drawn_is_what_the_files_hold(drawn: Logic, folder: Path):
    trained = [line.split("\t") for n in range(7) for line in (folder / f"train{n}").read_text().splitlines()]
    tested = [line.split("\t") for n in range(13) for line in (folder / f"test{n}").read_text().splitlines()]
    assert [list(row[:3]) for row in rows(drawn._loader("train", 50))] == [
        row for number, row in enumerate(trained, 1) if number % 10
    ]
    val, test = drawn.val_dataloader()
    assert [list(row[:3]) for row in rows(val)] == trained[9::10]
    assert [list(row[:3]) for row in rows(test)] == tested
    assert drawn.iterations_per_epoch == len(drawn.train_dataloader())


def test_rows_carry_their_number_of_operators(drawn: Logic):
    for loader, most in ((drawn.train_dataloader(), 6), (drawn.test_dataloader(), 12)):
        found = list(rows(loader))
        for _, left, right, operators in found:
            counts = [sum(map(side.split().count, ("and", "or", "not"))) for side in (left, right)]
            assert operators == min(max(counts), 12)
        assert {row[3] for row in found} == set(range(most + 1))


def test_read_files_are_the_same_as_drawn_pairs(drawn: Logic, folder: Path):
    read = Logic(path=str(folder))
    read.prepare()
    for part in ("train", "val", "test"):
        assert all(map(torch.equal, read._part(part), drawn._part(part)))
    assert read.checksums == drawn.checksums
    content = b"".join((folder / f"train{n}").read_bytes() for n in range(7))
    assert read.checksums["train"] == hashlib.sha256(content).hexdigest()


def test_the_seed_of_the_data_and_the_order(drawn: Logic):
    first, second = list(rows(drawn.train_dataloader())), list(rows(drawn.train_dataloader()))
    assert first == second
    assert first != sorted(first, key=lambda row: row[3])
    again, other = Logic(draws=DRAWS), Logic(draws=DRAWS, seed=1)
    for data in (again, other):
        data.reseed(split=1, order=2)
        data.prepare()
    assert again.checksums == drawn.checksums
    assert sorted(rows(again.train_dataloader())) == sorted(first)
    assert list(rows(again.train_dataloader())) != first
    assert other.checksums != drawn.checksums


def test_fewer_operators_to_train_on():
    data = Logic(draws=500, train_operators=2)
    parts = data.pairs()
    assert {pair.operators for pair in parts.train} == {0, 1, 2}
    assert max(pair.operators for pair in parts.test) > 6


@pytest.mark.parametrize("name", PATTERNS)
def test_systematic_splits_train_without_a_pattern_and_test_on_it(name: str):
    whole, parts = Logic(draws=DRAWS).pairs(), Logic(draws=DRAWS, systematic=name).pairs()

    def holds(pair) -> bool:
        return any(pattern in side.text for pattern in PATTERNS[name] for side in (pair.left, pair.right))

    assert not any(map(holds, [*parts.train, *parts.val]))
    assert all(map(holds, parts.test))
    assert max(pair.operators for pair in parts.test) <= 6
    assert {*parts.train, *parts.val, *parts.test} == {*whole.train, *whole.val}
    assert len(parts.val) == (len(parts.train) + len(parts.val)) // 10
    assert parts.test


@pytest.fixture(scope="module")
def published_files() -> tuple[list[Pair], list[Pair]]:
    return Logic(path=str(PUBLISHED))._read()


@published
@pytest.mark.parametrize(
    ("systematic", "train", "val", "test"),
    [
        (None, 121_977, 13_552, 37_367),
        ("A", 116_073, 12_896, 6_560),
        ("B", 79_154, 8_794, 47_581),
        ("C", 46_707, 5_189, 83_633),
    ],
)
def test_published_sizes(systematic, train: int, val: int, test: int, published_files, monkeypatch):
    """Sizes of the whole set as in the ON-LSTM authors' code, and of the splits as counted by grep in the files."""
    monkeypatch.setattr(Logic, "_read", lambda self: tuple(map(list, published_files)))
    parts = Logic(path=str(PUBLISHED), systematic=systematic).pairs()
    assert tuple(map(len, parts)) == (train, val, test)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("train3", b"<\ta\tb\n", "train3, line 1: the relation is '<', but the formulas have '#'"),
        ("train3", b"#\ta\tb\n=\ta\n", "train3, line 2: 2 fields"),
        ("test0", b"#\ta\tb\n\n#\ta\tc\n", "test0, line 2: 1 fields"),
        ("test12", b"#\ta\tb\n", "test12, line 1: a pair of 0 operators; expected 12"),
        ("train0", b"\xef\xbb\xbf#\ta\tb\n#\ta\t\xff\n", "train0, line 2: not UTF-8"),
        ("train0", b"?\ta\tb\n", "train0, line 1: the relation is '\\?'; expected one of"),
        ("train6", b"#\ta\t( b and c )\n", "train6, line 1: token 5"),
        ("test5", b"#\ta\t( b ( or ( not b ) ) )\n", "test5, line 1: .* is always true"),
        ("test5", b"#\t( b ( and ( not b ) ) )\ta\n", "test5, line 1: .* is never true"),
        ("test1", b"\x1f\x8b\x08", "test1, line 1: not UTF-8"),
        ("train1", b"", "train1: is empty"),
        ("train4", None, "no train4; data.path names a folder with train0 ... train12"),
    ],
)
def test_a_broken_file_is_one_line(folder: Path, tmp_path: Path, file: str, content: bytes | None, said: str):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / file).unlink() if content is None else (broken / file).write_bytes(content)
    with pytest.raises(UserError, match=said) as error:
        Logic(path=str(broken)).prepare()
    assert "\n" not in str(error.value)


def test_a_folder_that_is_none_is_one_line(tmp_path: Path):
    with pytest.raises(UserError, match=r"no train0, train1, .*, test12; data.path names"):
        Logic(path=str(tmp_path / "nowhere")).prepare()
    (tmp_path / "train0").mkdir()
    for name in [*(f"train{n}" for n in range(1, 7)), *(f"test{n}" for n in range(13))]:
        (tmp_path / name).write_text("#\ta\tb\n")
    with pytest.raises(UserError, match="train0: cannot be read"):
        Logic(path=str(tmp_path)).prepare()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"draws": 0}, "data.draws is 0"),
        ({"batch_size": 0}, "data.batch_size is 0"),
        ({"train_operators": 13}, "data.train_operators is 13; expected 0 to 12"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, int], said: str):
    with pytest.raises(UserError, match=said):
        Logic(**options)


def test_too_few_draws_are_said():
    with pytest.raises(UserError, match=r"no pair of formulas is left for train; use more data\.draws"):
        Logic(draws=5).prepare()


def test_loaders_before_the_data():
    with pytest.raises(UserError, match=r"call prepare\(\) first"):
        Logic().train_dataloader()
