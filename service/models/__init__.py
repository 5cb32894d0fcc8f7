"""What is served: versions found in the registry, verified, kept on disk and swapped in."""
