"""Fast CPU implementation of the recurrent layers: one autograd function per sequence, with a hand-written gradient."""
