"""Several processes that train the networks of one lottery side by side.

The parent process assigns networks (schedule, pool, process), and the workers train them (parent, serve). A worker is a
new process of the same command line, so that it inherits no state of an earlier training: each network depends only on
the configuration and on files.
"""
