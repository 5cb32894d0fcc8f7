"""Forecasts of tables larger than memory or than a machine: shard by shard, resumable, all or nothing."""
