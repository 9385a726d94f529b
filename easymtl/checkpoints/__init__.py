"""Folders that appear whole: publishing, locking, checking and reading the checkpoints of a model."""
