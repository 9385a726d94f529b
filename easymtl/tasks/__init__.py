"""Tasks: what one tower makes of its logits: loss, sample weights, predictions and metrics."""
