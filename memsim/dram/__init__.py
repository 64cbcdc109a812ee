"""DRAM at the level of bursts: one channel with its banks, buses, queues and refresh."""
