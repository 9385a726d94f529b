"""Ways to call an export, and whether all of them give the same scores."""
