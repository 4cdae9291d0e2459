"""How fast this machine is at what is ours, against what it should be as fast as; and how equal the results are."""
