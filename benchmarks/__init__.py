"""Benchmarks: speed, memory, and published experiments done again. README.md says how to run them."""
