"""Files that exist are whole: writing atomically, tensors on disk."""
