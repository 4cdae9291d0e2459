"""LightningModules."""

from app.modules.classifier import Classifier
from app.modules.inference_classifier import InferenceClassifier
from app.modules.language_model import LanguageModel

__all__ = ["Classifier", "InferenceClassifier", "LanguageModel"]
