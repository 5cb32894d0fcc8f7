"""The commands of the pipelines, by what they are for. Each imports what it needs when it runs: --help is instant."""
