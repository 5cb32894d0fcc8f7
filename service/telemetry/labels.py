"""What labels of requests may be: never more than these, as a scanner must not make new series."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
