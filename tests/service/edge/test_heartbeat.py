"""A heartbeat is heard across a fork, and silence is counted as a parent that watches would."""

from __future__ import annotations

import asyncio
import os

import pytest

from service.edge.heartbeat import Heartbeat, Pulse, pause_between


def beaten(pulse: Pulse, heartbeat: Heartbeat) -> None:
    heartbeat.beat()
    assert pulse.silent_seconds(0.0) == 0


@pytest.mark.parametrize(("hang_seconds", "pause"), [(30.0, 1.0), (2.0, 0.2)])
def test_there_are_several_beats_in_the_time_that_is_allowed(hang_seconds: float, pause: float) -> None:
    assert pause_between(hang_seconds) == pause


def test_nothing_counts_before_the_first_beat() -> None:
    pulse = Pulse(Heartbeat(30.0))
    assert [pulse.silent_seconds(float(now)) for now in range(100)] == [0] * 100


def test_silence_grows_until_the_next_beat() -> None:
    heartbeat = Heartbeat(30.0)
    pulse = Pulse(heartbeat)
    beaten(pulse, heartbeat)
    assert [pulse.silent_seconds(now) for now in (1.0, 2.0, 3.5)] == [1.0, 2.0, 3.5]
    beaten(pulse, heartbeat)
    assert pulse.silent_seconds(1.0) == 1.0
    pulse.forgive()
    assert pulse.silent_seconds(2.0) == 1.0


def test_a_parent_that_slept_itself_blames_nobody() -> None:
    heartbeat = Heartbeat(30.0)
    pulse = Pulse(heartbeat)
    beaten(pulse, heartbeat)
    assert pulse.silent_seconds(3600.0) == 2.0


def test_every_beat_is_heard_for_as_long_as_a_worker_lives() -> None:
    heartbeat = Heartbeat(30.0)
    pulse = Pulse(heartbeat)
    for _ in range(1000):
        beaten(pulse, heartbeat)
        assert heartbeat.count > 0


def test_a_beat_of_a_forked_process_is_heard() -> None:
    heartbeat = Heartbeat(30.0)
    pid = os.fork()
    if pid == 0:
        heartbeat.beat()
        os._exit(0)
    os.waitpid(pid, 0)
    assert heartbeat.count == 1


def test_a_loop_beats_until_it_is_blocked() -> None:
    heartbeat = Heartbeat(hang_seconds=0.1)

    async def run() -> int:
        heartbeat.keep(asyncio.get_running_loop())
        await asyncio.sleep(0.2)
        return heartbeat.count

    count = asyncio.run(run())
    assert 3 <= count == heartbeat.count
