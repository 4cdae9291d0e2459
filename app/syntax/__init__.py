"""Targeted syntactic evaluation: minimal pairs, made from templates or read, and what a model says of them."""
