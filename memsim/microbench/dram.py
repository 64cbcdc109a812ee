"""One channel of a DRAM part under synthetic traffic."""
