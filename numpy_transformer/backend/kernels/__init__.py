"""GPU twins of the layers: the same names, signatures and caches, for arrays that live on a card (twin.py)."""
