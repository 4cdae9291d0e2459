"""The progress line of a benchmark."""

import io

from rich.console import Console

from app.bench.progress import Progress


def test_elsewhere_one_line_per_task() -> None:
    text, now = io.StringIO(), [0.0]
    progress = Progress(Console(file=text), clock=lambda: now[0])
    progress.expect(70)
    with progress.task("first", 30):
        now[0] = 29.0
        progress.tick()
    with progress.task("nothing", 0):
        pass
    with progress.task("second", 40):
        pass
    assert text.getvalue().splitlines() == ["first · 0:01:10 left", "second · 40 s left"]


def test_on_a_terminal_the_line_counts_down_and_is_gone() -> None:
    text, now = io.StringIO(), [0.0]
    progress = Progress(Console(file=text, force_terminal=True, width=80), clock=lambda: now[0])
    progress.expect(50)
    with progress.task("first", 30):
        now[0] = 12.0
        progress.tick()
        assert "first · 38 s left" in text.getvalue()
        now[0] = 300.0
        progress.tick()
        assert "first · 20 s left" in text.getvalue(), "a task that is late leaves the plan of the others as it is"
    progress.tick()
    assert text.getvalue().endswith("\x1b[1A\x1b[2K"), "the line is erased"
