"""Explanations as files: tables and a picture of why a forecast is what it is."""
