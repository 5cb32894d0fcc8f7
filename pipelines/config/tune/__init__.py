"""The group `tune` of a config: its settings, and which others may be tried with which values."""
