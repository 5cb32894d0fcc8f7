"""Explanations of forecasts over HTTP."""
