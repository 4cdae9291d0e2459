"""Probabilistic context-free grammars: reading, sampling and the exact probability of a sentence; no Lightning."""
