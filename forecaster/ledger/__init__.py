"""The ledger: forecasts that were given, what then happened, and how good they turned out to be.

    forecast given ─┐
                    ├─ same model, series and time ──> scored ──> skill by model, version and segment
    actual value  ──┘

Both may come first. A value that comes again replaces the earlier one, and what it had scored is scored anew.
"""
