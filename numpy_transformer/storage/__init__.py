"""Files that exist are whole: writing atomically, tensors and text on disk, and where the files of a run stand."""
