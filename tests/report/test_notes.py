from app.report.notes import data_notes
from app.report.provenance import Provenance


def made_with(*names: str) -> Provenance:
    return Provenance(seeds={}, parameters=None, density=None, threads=1, versions={}, data=dict.fromkeys(names, "ab"))


def test_originals_need_no_note() -> None:
    assert data_notes([made_with("train.bin", "test.bin")] * 2) == []


def test_a_copy_is_told_by_the_names_of_its_files_once() -> None:
    """As `CIFAR10.checksums` names them."""
    copy = made_with("train.bin (not the original)", "test.bin (not the original)")
    (note,) = data_notes(each for each in [copy, copy])
    assert note == "Not the original data, but a copy that differs from it (see the checksums): train.bin, test.bin."


def test_networks_of_different_data_are_told() -> None:
    notes = data_notes([made_with("train.bin"), made_with("train.bin (not the original)")])
    assert len(notes) == 2
    assert notes[1].startswith("Not all were trained on the same data")
