"""Retraining: when it is due, on which data, and what came of each slot, whatever dies in the middle."""
