"""Layers put together: the paper's encoder and decoder."""
