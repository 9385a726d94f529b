"""Maths only: dense layers, norms, activations, experts and gates. No config file, no data, no losses."""
