"""Answers about the known course of series: backtests and anomalies, by rolling forecasts."""
