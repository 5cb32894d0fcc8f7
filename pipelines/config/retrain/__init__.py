"""The group `retrain` of a config: its settings, and the cron expressions that they are written in."""
