"""Files that are always complete: atomic writing, tensors on disk."""
