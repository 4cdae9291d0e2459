"""Targeted syntactic evaluation: minimal pairs from templates or files, and scores of a model's choices."""
