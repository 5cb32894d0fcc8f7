"""Routes: thin, one module per subject."""
