"""A simulated year of retraining: the world it happens in, what is forecast in it, and what came of it."""
