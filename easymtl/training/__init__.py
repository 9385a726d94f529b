"""The loop and what it needs: steps, optimizers, schedules, balancing."""
