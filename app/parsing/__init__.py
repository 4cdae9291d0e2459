"""Unsupervised parsing: distances to trees, brackets, scores, baselines and treebank files."""

from app.parsing.baselines import BASELINES, baseline_trees
from app.parsing.builders import BUILDERS, build_tree
from app.parsing.scores import Scores, score
from app.parsing.trees import GoldSentence, Tree

__all__ = ["BASELINES", "BUILDERS", "GoldSentence", "Scores", "Tree", "baseline_trees", "build_tree", "score"]
