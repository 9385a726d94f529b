"""One file per command. Each has `run(options)`, which reads like the paragraph that describes the command."""
