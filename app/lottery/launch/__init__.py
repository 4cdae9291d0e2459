"""Submits an experiment as jobs of SLURM (`--pruning.launch slurm`).

Each job is the ordinary command with its part of the networks as `--pruning.only`, in a script for `sbatch` that is
kept in the run directory. (Not through `submitit`: what it adds is to run a pickled Python function and to have its own
way of queueing jobs again, where the command line goes on by itself; and its scripts do not show what a job does.)
"""
