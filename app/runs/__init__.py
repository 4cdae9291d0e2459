"""Run directories: layout, lock, configuration, tables, checkpoints and tickets on disk."""
