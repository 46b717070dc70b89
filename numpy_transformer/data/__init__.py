"""Parallel text: where it comes from, how it is read, and how it becomes batches."""
