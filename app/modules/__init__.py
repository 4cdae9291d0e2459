"""LightningModules, and a scheduler of their learning rates."""

from app.modules.classifier import Classifier
from app.modules.inference_classifier import InferenceClassifier
from app.modules.language_model import LanguageModel
from app.modules.warmup_multi_step_lr import WarmupMultiStepLR

__all__ = ["Classifier", "InferenceClassifier", "LanguageModel", "WarmupMultiStepLR"]
