"""Other protocols that forecasts are asked for in, each a translation onto the path of POST /v1/forecast."""
