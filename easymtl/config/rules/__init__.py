"""The rules of a config, one file per topic. Each rule is a function of a `Review`."""
