"""What analysts find in a run: its name and tags, metrics, tables and figures; a card, a comparison and a trend."""
