"""Stability of the networks of a lottery to the noise of SGD: copies, and the error on the line between them."""
