"""How series are read: the data report over HTTP."""
