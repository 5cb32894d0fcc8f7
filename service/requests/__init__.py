"""From bytes to a question, and from a forecast to bytes."""
