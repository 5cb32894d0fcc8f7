"""Stops a forked process before each call of the system, and kills it at one of them (ptrace of Linux).

Between two calls a process changes nothing that others see: to kill it before one is to kill it after the one before.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

from benchmarks.reliability.promotion_home import forked

_TRACEME, _SYSCALL, _SETOPTIONS, _GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
_INFO_BYTES, _ENTRY = 128, 1  # of struct ptrace_syscall_info, and its first byte before a call
_GOOD = 1  # stops at calls are told apart from signals, by this bit of the signal's number
_AT_CALL = signal.SIGTRAP | 0x80

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def begin_here() -> None:
    """Says, in the process that is to be killed, that calls are counted from here on."""
    _ptrace(_TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)


def killed_at(task: Callable[[], object], number: int) -> int:
    """Runs a task, which calls `begin_here`, and kills it before the call of this number, from 1 on.

    Gives the number of the call it came to: a smaller one where it has ended without so many.
    """
    pid = forked(task)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSTOPPED(status), "the task ended before it began"
    _ptrace(_SETOPTIONS, pid, _GOOD)
    num_calls, signal_of_others = 0, 0
    while True:
        _ptrace(_SYSCALL, pid, signal_of_others)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            assert os.waitstatus_to_exitcode(status) == 0, "the task failed"
            return num_calls
        is_at_call = os.WSTOPSIG(status) == _AT_CALL
        signal_of_others = 0 if is_at_call else os.WSTOPSIG(status)
        num_calls += is_at_call and _is_before(pid)
        if num_calls == number:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return num_calls


def _is_before(pid: int) -> bool:
    """Says whether a process is stopped before a call, not after it."""
    buffer = ctypes.create_string_buffer(_INFO_BYTES)
    _ptrace(_GET_SYSCALL_INFO, pid, _INFO_BYTES, ctypes.addressof(buffer))
    return buffer.raw[0] == _ENTRY


def _ptrace(request: int, pid: int, data: int = 0, address: int | None = None) -> None:
    first, second = (None, data) if address is None else (data, address)
    if _libc.ptrace(request, pid, first, second) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace request {request} failed")
