"""Studies that characterise a memory, a network or a chip with synthetic traffic, as one would silicon."""
