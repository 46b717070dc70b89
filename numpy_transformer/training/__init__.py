"""A training run: steps, optimizer, schedule, evaluation, and the folder that keeps it."""
