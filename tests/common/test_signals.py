"""What a process does when it is asked to end."""

import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest

from app.common.errors import Interrupted
from app.common.signals import (
    SAVING_SECONDS,
    StoppedAtOnce,
    end_on_signals,
    in_job,
    no_requeue,
    requeue_job,
    stop_on_signals,
)

SIGNALS = [signal.SIGINT, signal.SIGTERM]


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def interrupted_by(number: int | None, requeue: signal.Signals | None = None) -> Interrupted:
    """What leaves a training that a signal has stopped, or that another rank was asked to stop."""
    try:
        with stop_on_signals(requeue) as stop:
            if number is not None:
                send(number)
            assert stop() == (number or 0)
            raise Interrupted
    except Interrupted as error:
        return error


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_a_request_and_the_second_ends(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_on_signals() as stop:
        assert not stop()
        send(number)
        assert stop()
        with pytest.raises(StoppedAtOnce) as ended:
            send(number)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", SIGNALS)
def test_what_was_interrupted_says_by_what(number: signal.Signals) -> None:
    stopped = interrupted_by(number)
    assert (stopped.signal, stopped.requeue) == (number, False)


def test_where_another_rank_was_asked() -> None:
    with pytest.raises(Interrupted) as stopped, stop_on_signals(signal.SIGUSR1):
        raise Interrupted(signal.SIGUSR1)
    assert (stopped.value.signal, stopped.value.requeue) == (signal.SIGUSR1, True)


LOST = RuntimeError("[gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:1: Connection reset by peer")


def lose_another_rank(number: int | None) -> None:
    with stop_on_signals(signal.SIGUSR1):
        if number is not None:
            send(number)
        raise LOST


def test_where_another_rank_has_ended_at_the_same_signal() -> None:
    with pytest.raises(StoppedAtOnce) as ended:
        lose_another_rank(signal.SIGUSR1)
    assert (ended.value.signal, ended.value.requeue) == (signal.SIGUSR1, True)
    with pytest.raises(RuntimeError, match="gloo"):  # it was killed
        lose_another_rank(None)


def test_what_cannot_be_saved_in_the_time_that_slurm_gives_ends_where_it_is() -> None:
    def validate() -> None:
        with stop_on_signals(signal.SIGUSR1) as stop:
            send(signal.SIGALRM)  # of nobody that we know
            assert not stop()
            send(signal.SIGUSR1)
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= SAVING_SECONDS
            send(signal.SIGALRM)

    with pytest.raises(StoppedAtOnce) as ended:
        validate()
    assert (ended.value.signal, ended.value.requeue) == (signal.SIGUSR1, True)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_the_time_of_a_job_is_over(number: signal.Signals) -> None:
    stopped = interrupted_by(number, requeue=signal.SIGUSR1)
    assert stopped.requeue == (number == signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


@pytest.mark.parametrize("number", SIGNALS)
def test_what_was_ignored_stays_ignored(number: signal.Signals) -> None:
    """As SIGINT of a job in the background, which Ctrl-C is not meant for."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with end_on_signals(), stop_on_signals() as stop:
            send(number)
            assert not stop()
    finally:
        signal.signal(number, before)


def test_sigterm_ends_what_is_no_training() -> None:
    with pytest.raises(StoppedAtOnce) as ended, end_on_signals():
        send(signal.SIGTERM)
    assert (ended.value.code, ended.value.requeue) == (143, False)


def test_a_job_whose_time_is_over_before_anything_is_trained_is_queued_again() -> None:
    with pytest.raises(StoppedAtOnce) as ended, end_on_signals(signal.SIGUSR1):
        send(signal.SIGUSR1)
    assert (ended.value.code, ended.value.requeue) == (128 + signal.SIGUSR1, True)


def test_a_job_that_is_not_to_be_queued_again_leaves_the_signal_alone() -> None:
    with end_on_signals(signal.SIGUSR1):
        no_requeue()
        assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_in_another_thread_nothing_is_handled() -> None:
    seen = []

    def work() -> None:
        with end_on_signals(), stop_on_signals() as stop:
            seen.append(stop())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def _signalled(number: int) -> None:
    """A loader's worker: asked to end by its owner, or with all of its group by Ctrl-C."""
    send(number)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 0)])
def test_processes_that_it_forks_do_not_take_part(
    number: signal.Signals, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with end_on_signals(), stop_on_signals() as stop:
        process = multiprocessing.get_context("fork").Process(target=_signalled, args=(number,))
        process.start()
        process.join()
        assert process.exitcode == code
        assert not stop()
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job of SLURM, whose `scontrol` writes what it is asked; the file."""
    for name in ("SLURM_PROCID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("PATH", str(tmp_path))  # without the `scontrol` of a real SLURM
    (tmp_path / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (tmp_path / "scontrol").chmod(0o755)
    return tmp_path / "asked"


def test_a_job_is_queued_again(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert requeue_job() == "SLURM runs job 77 again"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "70")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert requeue_job() == "SLURM runs job 70_3 again"
    monkeypatch.setenv("SLURM_PROCID", "1")
    assert requeue_job() == ""
    assert job.read_text().splitlines() == ["requeue 77", "requeue 70_3"]
    assert requeue_job(by_any=True) == ""  # the first says it
    assert job.read_text().splitlines()[2:] == ["requeue 70_3"]


@pytest.mark.parametrize(("name", "is_job"), [("train", True), ("bash", False), ("interactive", False)])
def test_what_a_job_is(name: str, is_job: bool, job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_NAME", name)
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    assert not in_job()
    monkeypatch.setenv("SLURM_NTASKS", "1")
    assert in_job() == is_job


def test_a_job_that_is_not_queued_again(job: Path) -> None:
    job.with_name("scontrol").write_text("#!/bin/sh\necho Access denied >&2\nexit 1\n")
    assert requeue_job() == "job 77 is not queued again (scontrol: Access denied)"
    job.with_name("scontrol").unlink()
    assert requeue_job() == "job 77 is not queued again (scontrol: No such file or directory)"
