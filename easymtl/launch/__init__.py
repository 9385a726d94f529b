"""Starts the workers of a training: on this host all of them, on a cluster the one that runs here."""
