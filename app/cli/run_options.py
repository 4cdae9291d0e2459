"""The options of every command besides model, data and Trainer."""

from jsonargparse.typing import PositiveFloat, PositiveInt
from lightning.pytorch.cli import LightningArgumentParser

from app.common.float32_precision import ConvPrecision, MatmulPrecision
from app.runs.best_validation import BestValidation


def add_run_options(parser: LightningArgumentParser) -> None:
    """Add the options to the parser of a command."""
    parser.add_argument("--threads", type=PositiveInt, default=1, help="torch's CPU threads per process.")
    parser.add_argument(
        "--experiment",
        type=str | None,
        help="Name of the experiment and of its run directory; auto makes one from the configuration.",
    )
    parser.add_argument("--runs", type=str, default="runs", help="Directory of all experiments.")
    parser.add_argument(
        "--best",
        type=BestValidation,
        default=BestValidation(),
        help="Which validation best.ckpt is of, and where a network of a lottery stops early.",
    )
    parser.add_argument(
        "--checkpoint_seconds",
        type=PositiveFloat,
        default=15.0,
        help="How often a training in progress is saved, and so how much of it a kill can cost.",
    )
    parser.add_argument(
        "--matmul_precision",
        type=MatmulPrecision,
        default="highest",
        help="Precision of float32 products, as for torch.set_float32_matmul_precision: highest is float32; high is "
        "TF32, which few CPUs have; medium is bfloat16 on a CPU and TF32 on a GPU.",
    )
    parser.add_argument(
        "--conv_precision",
        type=ConvPrecision,
        default="default",
        help="Precision of float32 convolutions, by the same names; default is highest on a CPU and high on a GPU.",
    )
    parser.add_argument(
        "--gpu_kernels",
        type=bool,
        default=True,
        help="Compute recurrent layers and the softmax on a GPU with kernels of our own, where they work.",
    )
    parser.add_argument(
        "--allow_other_kernels",
        type=bool,
        default=False,
        help="Go on in a run directory with another processor or other compiled code; bits of results may differ.",
    )
    parser.add_argument(
        "--break_locks",
        type=bool,
        default=False,
        help="On file systems without locks, take the place of processes that are said to be at work and have ended.",
    )
