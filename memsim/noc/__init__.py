"""Networks at the level of flits: routers with virtual channels and credits, cycle by cycle."""
