"""The listening socket: how it opens, and how it closes without a reset for anybody whom the kernel let in.

A connection that is complete, and not accepted when its listener closes, is reset, and the request on it with it. A
backlog of 0 still lets one in at a time. So at the end new handshakes are first ignored by the kernel: what it had
begun to let in comes to its end and is accepted, and who begins later is refused once the socket is closed.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys

from forecaster.errors import ConfigError
from service.settings import Settings

BACKLOG = 2048

# A classic BPF program (linux/filter.h), which sees a packet from its TCP header on: byte 13 holds the flags. What has
# SYN (2) and not ACK (16) begins a handshake and is dropped; all else passes whole.
_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")  # code, jumps where true and where false, constant
_PROGRAM = b"".join(
    _INSTRUCTION.pack(*instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte at 13
        (0x54, 0, 0, 0x12),  # keep SYN and ACK of it
        (0x15, 0, 1, 0x02),  # SYN alone?
        (0x06, 0, 0, 0),  # drop
        (0x06, 0, 0, 0xFFFFFFFF),  # pass
    )
)


def listen(settings: Settings) -> socket.socket:
    """Gives a socket that listens where the settings say; ConfigError where that cannot be."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"cannot listen on {settings.host} port {settings.port}: {reason}") from error
    listener.setblocking(False)
    return listener


def ignore_handshakes(listener: socket.socket) -> None:
    """Lets nobody else begin to connect; one at a time, where that cannot be had."""
    if sys.platform != "linux":
        listener.listen(0)
        return
    program = ctypes.create_string_buffer(_PROGRAM, len(_PROGRAM))
    length = len(_PROGRAM) // _INSTRUCTION.size
    listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("@HP", length, ctypes.addressof(program)))
