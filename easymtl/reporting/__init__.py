"""What a person sees of a run: the console, TensorBoard, its history, result files, the table of a network."""
