"""What a person sees of a run: the console, TensorBoard summaries, result files, the table of a network."""
