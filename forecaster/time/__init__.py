"""How series advance in time: frequencies, grids, zones, and stored time."""
