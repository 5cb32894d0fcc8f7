"""Ways to damage the bytes of a table, for tests and for the fuzz."""

from __future__ import annotations

import random

EDGES = (
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    bytes(4),
    b"\xff" * 8,
    b"\xff" * 7 + b"\x7f",
    bytes(8),
    b"\x01\0\0\0\0\0\0\0",
)


def spoiled(body: bytes, draw: random.Random) -> bytes:
    """Turns bits, writes numbers at the edges of their ranges, leaves bytes out and copies them elsewhere."""
    found = bytearray(body)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        place, kind = draw.randrange(len(found)), draw.randrange(6)
        if kind < 3:
            found[place] ^= 1 << draw.randrange(8)
        elif kind == 3:
            edge = draw.choice(EDGES)
            place -= place % len(edge)
            found[place : place + len(edge)] = edge
        elif kind == 4:
            del found[place : place + draw.choice((1, 4, 8, 64))]
        else:
            other = draw.randrange(len(found))
            found[place : place + 16] = found[other : other + 16]
    return bytes(found)
