"""Files to batches of encoded rows: read by Arrow, shuffled, resumable. No TensorFlow."""
