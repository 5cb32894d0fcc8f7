"""How fine-tuned models are told from all others: by their names, which come free again once a model is deleted."""

from __future__ import annotations

PREFIX = "ft-"  # so that none is taken for a model of whoever runs the service


def is_finetuned(name: str) -> bool:
    """Says whether a model of this name is a fine-tuned one."""
    return name.startswith(PREFIX)
