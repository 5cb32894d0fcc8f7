"""Forecast requests and replies as tables: Arrow IPC streams and Parquet."""
