"""What is measured, and for how long, in a full and in a quick benchmark."""

from dataclasses import dataclass, replace

from datamodules.in_memory_data_module import SplitSizes


@dataclass(frozen=True, slots=True)
class LayerSize:
    """The sizes of a recurrent layer and of its input.

    Args:
        time: number of steps.
        batch: number of sequences.
        features: of the input.
        hidden: number of units; a multiple of 10, ON-LSTM's chunk size.
    """

    time: int
    batch: int
    features: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.time}x{self.batch}, {self.features}→{self.hidden}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSize:
    """A language model of `configs/ptb`: its layers and all its dropouts."""

    name: str
    embedding: int
    layers: tuple[int, ...]
    dropout: float
    weight_dropout: float
    dropout_embedding: float
    dropout_input: float
    dropout_output: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """All sizes, and the seconds to spend on each measurement (see `timing.take_turns`).

    Args:
        layers: recurrent layers whose speed is measured.
        layer_seconds: for each comparison of a layer with `nn.LSTM`.
        equal_layers: recurrent layers whose results are compared.
        softmax: numbers of features of the softmax's input.
        words: vocabulary size of the softmax.
        predictions: rows of the softmax.
        softmax_seconds: for each softmax.
        images: numbers of images for the lottery's loop.
        iterations: of one training.
        eval_every: iterations from one evaluation to the next.
        loop_seconds: for all trainings together.
        evaluations: number of evaluations that are timed by themselves.
        worker_iterations: of each training in the lotteries by workers.
        worker_pairs: pairs of a lottery by two workers and one by one worker.
        small: the small language model.
        paper: the paper's language model.
        batch: columns of the text.
        bptt: rows of a window.
        step_seconds: for the training steps of one language model.
        nets: the lottery paper's networks on images whose training steps are measured.
        image_seconds: for the training steps of each.
        sparse: the recurrent layer that is measured with masked weights.
        sparse_seconds: for each layer or network with masked weights, at each density.
        paper_before: also measure the paper's model by the unoptimised baseline, whose steps take seconds.
    """

    layers: tuple[LayerSize, ...]
    layer_seconds: float
    equal_layers: tuple[LayerSize, ...]
    softmax: tuple[int, ...]
    words: int
    predictions: int
    softmax_seconds: float
    images: SplitSizes
    iterations: int
    eval_every: int
    loop_seconds: float
    evaluations: int
    worker_iterations: int
    worker_pairs: int
    small: ModelSize
    paper: ModelSize
    batch: int
    bptt: int
    step_seconds: float
    nets: tuple[str, ...]
    image_seconds: float
    sparse: LayerSize
    sparse_seconds: float
    paper_before: bool


SMALL = ModelSize(
    name="small",
    embedding=200,
    layers=(400, 200),
    dropout=0.1,
    weight_dropout=0.2,
    dropout_embedding=0.0,
    dropout_input=0.2,
    dropout_output=0.2,
)
PAPER = ModelSize(
    name="paper",
    embedding=400,
    layers=(1150, 1150, 400),
    dropout=0.3,
    weight_dropout=0.45,
    dropout_embedding=0.1,
    dropout_input=0.5,
    dropout_output=0.45,
)
FULL = Sizes(
    layers=(
        LayerSize(35, 20, 200, 200),
        LayerSize(70, 20, 200, 400),
        LayerSize(70, 20, 400, 400),
        LayerSize(70, 20, 400, 1150),
    ),
    layer_seconds=12,
    equal_layers=(
        LayerSize(35, 5, 200, 200),
        LayerSize(70, 5, 200, 400),
        LayerSize(70, 5, 400, 400),
        LayerSize(70, 5, 400, 1150),
    ),
    softmax=(200, 400),
    words=10_000,
    predictions=1_400,
    softmax_seconds=10,
    images=SplitSizes(train=55_000, val=5_000, test=10_000),
    iterations=1_000,
    eval_every=100,
    loop_seconds=120,
    evaluations=100,
    worker_iterations=3_000,
    worker_pairs=3,
    small=SMALL,
    paper=PAPER,
    batch=20,
    bptt=70,
    step_seconds=60,
    nets=("LeNet", "Conv-2", "Conv-4", "Conv-6", "ResNet-20", "VGG-19"),
    image_seconds=20,
    sparse=LayerSize(70, 20, 400, 1150),
    sparse_seconds=0.3,
    paper_before=True,
)
QUICK = replace(
    FULL,
    layer_seconds=1.5,
    equal_layers=(LayerSize(35, 2, 200, 200), LayerSize(70, 2, 400, 1150)),
    softmax_seconds=3,
    iterations=400,
    loop_seconds=18,
    evaluations=30,
    worker_iterations=500,
    worker_pairs=1,
    step_seconds=6,
    nets=("Conv-2", "ResNet-20"),
    image_seconds=5,
    sparse=LayerSize(20, 20, 400, 1150),
    sparse_seconds=0.05,
    paper_before=False,
)
