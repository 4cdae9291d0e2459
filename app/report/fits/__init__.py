"""The report of trainings by `fit`: what they measured as they went on, and the trees of their language models."""
