"""Straight-line programs over scalars at addresses: their text, and the models that price them."""
