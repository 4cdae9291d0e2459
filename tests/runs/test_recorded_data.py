"""The data of a run directory: another one is refused by name, the same one elsewhere is not."""

import json
from pathlib import Path

import pytest

from app.common.errors import UserError
from app.runs.checksums import CHECKSUMS, read_checksums
from app.runs.layout import RunLayout
from app.runs.recorded_data import claim_data

BEFORE = {"train.txt": "a" * 64, "test.txt": "b" * 64}


@pytest.fixture
def run(tmp_path: Path) -> RunLayout:
    layout = RunLayout(tmp_path / "run")
    claim_data(layout, BEFORE, begun=False)
    return layout


def refusal(run: RunLayout, checksums: dict[str, str]) -> str:
    before = [path.read_bytes() for path in run.root.rglob("*.json")]
    with pytest.raises(UserError) as raised:
        claim_data(run, checksums, begun=True)
    assert "\n" not in str(raised.value)
    assert [path.read_bytes() for path in run.root.rglob("*.json")] == before
    return str(raised.value)


def test_the_same_data_goes_on(run: RunLayout) -> None:
    claim_data(run, dict(reversed(BEFORE.items())), begun=True)
    assert read_checksums(run.root) == {"data": BEFORE}


def test_other_data_is_refused_by_name(run: RunLayout) -> None:
    message = refusal(run, BEFORE | {"test.txt": "c" * 64})
    assert message.startswith(
        f"{run.root} was begun with other data (test.txt: SHA-256 bbbbbbbbbbbb... -> cccccccccccc"
    )
    assert message.endswith("put the former files back, or choose another --experiment")
    assert "train.txt" not in message


def test_data_that_is_missing_is_refused(run: RunLayout) -> None:
    assert "(train.txt: SHA-256 aaaaaaaaaaaa... -> none" in refusal(run, {"test.txt": "b" * 64})
    assert "; train.txt: " in refusal(run, {})


def test_two_files_that_were_exchanged_are_refused(run: RunLayout) -> None:
    assert "test.txt: SHA-256 bbb" in refusal(run, {"train.txt": "b" * 64, "test.txt": "a" * 64})


def test_a_file_may_move_and_another_checksum_may_come(run: RunLayout) -> None:
    claim_data(run, {"elsewhere/train.txt": "a" * 64, "test.txt": "b" * 64, "words.txt": "d" * 64}, begun=True)
    claim_data(run, {"elsewhere/train.txt": "a" * 64, "test.txt": "b" * 64, "words.txt": "d" * 64}, begun=True)
    assert "words.txt" in refusal(run, {"elsewhere/train.txt": "a" * 64, "test.txt": "b" * 64, "words.txt": "e" * 64})


def test_before_anything_is_trained_it_may_be_any_data(run: RunLayout) -> None:
    claim_data(run, {"train.txt": "c" * 64}, begun=False)
    assert read_checksums(run.root) == {"data": {"train.txt": "c" * 64}}


def test_data_without_checksums_records_none(tmp_path: Path) -> None:
    run = RunLayout(tmp_path)
    claim_data(run, {}, begun=False)
    claim_data(run, {}, begun=True)
    assert not (tmp_path / CHECKSUMS).exists()


@pytest.mark.parametrize("place", ["report.json", "replicate_1/round_00/report.json"])
def test_directories_of_earlier_versions_have_them_in_reports(tmp_path: Path, place: str) -> None:
    run, report = RunLayout(tmp_path), tmp_path / place
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps({"checksums": {"data": BEFORE}}))
    assert "train.txt" in refusal(run, BEFORE | {"train.txt": "c" * 64})
    claim_data(run, BEFORE, begun=True)
    assert read_checksums(run.root) == {"data": BEFORE}


@pytest.mark.parametrize("report", ["", "{", "[]", "[" * 99_999, '{"checksums": null}', '{"checksums": {"data": [1]}}'])
def test_a_damaged_report_has_none(tmp_path: Path, report: str) -> None:
    (tmp_path / "report.json").write_text(report)
    claim_data(RunLayout(tmp_path), BEFORE, begun=True)
