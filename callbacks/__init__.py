"""Lightning callbacks; none of them depends on a particular model."""

from callbacks.batch_shares import BatchShares
from callbacks.experiment_progress import ExperimentProgress
from callbacks.final_metrics import FinalMetrics
from callbacks.fixed_learning_rates import FixedLearningRates
from callbacks.initial_metrics import InitialMetrics
from callbacks.iterative_pruning import IterativePruningCallback
from callbacks.last_learning_rates import LastLearningRates
from callbacks.metrics_recorder import MetricsRecorder
from callbacks.nt_asgd import NTASGD
from callbacks.pace import Pace
from callbacks.parse_logging import ParseLogging
from callbacks.reported_progress import ReportedProgress
from callbacks.required_metric import RequiredMetric
from callbacks.resume_checkpoint import ResumeCheckpoint
from callbacks.same_kernels import SameKernels
from callbacks.same_weights import SameWeights
from callbacks.stop_on_non_finite import StopOnNonFinite
from callbacks.validation_notes import ValidationNotes

__all__ = [
    "NTASGD",
    "BatchShares",
    "ExperimentProgress",
    "FinalMetrics",
    "FixedLearningRates",
    "InitialMetrics",
    "IterativePruningCallback",
    "LastLearningRates",
    "MetricsRecorder",
    "Pace",
    "ParseLogging",
    "ReportedProgress",
    "RequiredMetric",
    "ResumeCheckpoint",
    "SameKernels",
    "SameWeights",
    "StopOnNonFinite",
    "ValidationNotes",
]
