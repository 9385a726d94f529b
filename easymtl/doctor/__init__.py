"""Whether an installation works, and what of it does not: made to be run where nothing else runs."""
