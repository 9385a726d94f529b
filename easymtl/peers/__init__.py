"""What the workers of a training do together."""
