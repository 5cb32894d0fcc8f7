"""Fitting a network: the only home of Lightning. Nothing here is needed to forecast."""
