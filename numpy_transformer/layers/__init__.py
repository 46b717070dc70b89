"""The layers of the Transformer: one file each, forward directly above its backward, the derivation on top."""
