"""Where the page is found. Both paths are public: what is on it asks for a key itself."""

PAGE = "/"
FILES = "/page/{digest}/{name}"
