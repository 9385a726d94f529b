"""Training day after day: parts of data that are called by their time, each scored, trained on and exported once."""
