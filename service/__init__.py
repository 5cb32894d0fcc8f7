"""The HTTP service: follows the registry's champion and answers forecast requests. Knows no trainer."""
