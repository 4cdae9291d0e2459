"""What is told of a training that another process shows."""

from types import SimpleNamespace

from callbacks import ReportedProgress


class Heard:
    def __init__(self):
        self.told = []

    def begin(self, label, density, iterations):
        self.told.append(("begin", label, density, iterations))

    def reach(self, iteration, *, resumed=False):
        self.told.append(("resumed" if resumed else "reach", iteration))

    def end(self, summary):
        self.told.append(("end", summary))


def test_it_tells_twice_a_second_where_a_training_stands():
    heard, now = Heard(), 0.0
    progress = ReportedProgress(heard, clock=lambda: now)
    progress.begin("replicate 0", 0.5, 1000)
    trainer = SimpleNamespace(global_step=7)
    progress.on_train_start(trainer, None)
    for iteration in range(7, 1000):
        now += 0.01
        trainer.global_step = iteration + 1
        progress.on_train_batch_end(trainer, None, None, None, iteration)
    progress.end("done")
    assert heard.told[:2] == [("begin", "replicate 0", 0.5, 1000), ("resumed", 7)]
    assert heard.told[-1] == ("end", "done")
    reached = [iteration for what, iteration in heard.told[2:-1] if what == "reach"]
    assert len(reached) == len(heard.told) - 3
    assert reached == sorted(reached)
    assert 19 <= len(reached) <= 21
