"""What an answer writes, and when."""

from __future__ import annotations

from typing import Any

from service.edge.answer import Outgoing


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False


def test_what_is_held_goes_out_with_what_follows_it() -> None:
    wire: Any = Wire()
    outgoing = Outgoing(wire, lambda: None)
    outgoing.hold()
    outgoing.write(b"head ")
    assert wire.written == []
    outgoing.write(b"body")
    outgoing.write(b" and more")
    outgoing.hold()
    outgoing.write(b"head ")
    outgoing.write(b"")
    assert wire.written == [b"head body", b" and more", b"head "]
