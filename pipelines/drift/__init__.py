"""How far data and forecasts have moved away from what the champion was trained on."""
