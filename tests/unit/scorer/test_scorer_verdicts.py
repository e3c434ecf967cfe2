"""Whose fault it is when a worker ends without a verdict, or holds too much."""

from __future__ import annotations

import signal

import pytest

from sn37.adapters.scoring.blame import post_mortem
from sn37.adapters.scoring.memory_guard import MAX_THREADS, Holdings, holdings, judge
from sn37.adapters.scoring.worker_handle import Ended
from sn37.domain.reasons import Reason
from sn37.ports.errors import ModelRejected, ScorerUnavailable

LIMIT = 1 << 30


def ended(status: int, peak_bytes: int = 0) -> ModelRejected | ScorerUnavailable:
    return post_mortem(Ended(status=status, peak_bytes=peak_bytes), is_ready=True, most_bytes=LIMIT)


@pytest.mark.parametrize("peak_bytes", [0, LIMIT])
def test_t24_killed_for_memory_within_its_size_is_ours(peak_bytes: int) -> None:
    found = ended(signal.SIGKILL, peak_bytes)
    assert isinstance(found, ScorerUnavailable)
    assert "memory" in str(found)


def test_t24_killed_for_memory_beyond_its_size_is_the_models() -> None:
    found = ended(signal.SIGKILL, LIMIT + 1)
    assert isinstance(found, ModelRejected)
    assert found.reason is Reason.MEMORY


@pytest.mark.parametrize("status", [0, 1 << 8, signal.SIGSEGV, signal.SIGABRT, signal.SIGSYS])
def test_t24_any_other_end_is_the_models_once_it_was_read(status: int) -> None:
    assert isinstance(ended(status), ModelRejected)
    early = post_mortem(Ended(status=status, peak_bytes=0), is_ready=False, most_bytes=LIMIT)
    assert isinstance(early, ScorerUnavailable)


def test_t24_a_worker_that_leaves_its_stream_and_has_to_be_killed_is_no_victim() -> None:
    lingering = Ended(status=signal.SIGKILL, peak_bytes=0, was_running=True)
    found = post_mortem(lingering, is_ready=True, most_bytes=LIMIT)
    assert isinstance(found, ModelRejected)


def test_the_warm_parents_death_is_ours() -> None:
    assert isinstance(post_mortem(None, is_ready=True, most_bytes=LIMIT), ScorerUnavailable)


def test_t24_the_watchdog_lets_a_worker_have_what_it_may() -> None:
    assert judge(Holdings(memory_bytes=LIMIT, num_threads=MAX_THREADS), limit_bytes=LIMIT) is None
    assert judge(Holdings(), limit_bytes=LIMIT) is None


def test_t24_the_watchdog_ends_what_holds_too_much() -> None:
    more = judge(Holdings(memory_bytes=LIMIT + 1), limit_bytes=LIMIT)
    assert more is not None
    assert more.reason is Reason.MEMORY
    crowd = judge(Holdings(num_threads=MAX_THREADS + 1), limit_bytes=LIMIT)
    assert crowd is not None
    assert crowd.reason is Reason.UNLOADABLE


def test_a_process_that_is_gone_holds_nothing() -> None:
    assert holdings(2**30) == Holdings()
