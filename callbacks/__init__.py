"""Lightning callbacks; none knows a particular model."""

from callbacks.accuracy import FinalTrainAccuracy
from callbacks.finite import StopOnNonFinite
from callbacks.iterative_pruning import IterativePruningCallback
from callbacks.metrics import MetricsRecorder
from callbacks.nt_asgd import NTASGD
from callbacks.parse_logging import ParseLogging
from callbacks.progress import ExperimentProgress
from callbacks.reported_progress import ReportedProgress
from callbacks.resume import ResumeCheckpoint

__all__ = [
    "NTASGD",
    "ExperimentProgress",
    "FinalTrainAccuracy",
    "IterativePruningCallback",
    "MetricsRecorder",
    "ParseLogging",
    "ReportedProgress",
    "ResumeCheckpoint",
    "StopOnNonFinite",
]
