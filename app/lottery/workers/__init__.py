"""Several processes that train the networks of one lottery side by side.

One hands out networks (agenda, crew, process), the others train them (superior, serve). They are this command line
again, started anew: nothing of a process that has trained goes into another, and each network is a function of the
configuration and of files.
"""
