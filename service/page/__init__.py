"""The page at `/`: files as they are, and how they are given out. It knows the public interface alone."""
