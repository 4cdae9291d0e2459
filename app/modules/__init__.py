"""LightningModules."""

from app.modules.classifier import Classifier

__all__ = ["Classifier"]
