"""A model and data: predictions and metrics, for whoever trains, serves or asks."""
