"""Benchmarks: the speed of our code on this machine against references, and how close the results are to theirs."""
