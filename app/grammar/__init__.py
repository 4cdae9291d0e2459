"""Probabilistic context-free grammars: reading, sampling and exact sentence probabilities."""
