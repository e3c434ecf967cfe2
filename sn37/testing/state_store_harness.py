"""Access of the state store contracts to the store under test."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from sn37.domain.ids import TaskName
from sn37.domain.round.state import ValidatorState
from sn37.testing.builders import a_pool, a_round_key, a_round_plan, an_entry_key, some_samples

if TYPE_CHECKING:
    from sn37.ports.state_store import StateStore

_T = TypeVar("_T")

ALICE, BOB = an_entry_key("alice", 100), an_entry_key("bob", 200)
ROUND = a_round_key(1, 720)
PLAN = a_round_plan(ROUND, champion=ALICE, entries=(ALICE, BOB))
POOLS = {TaskName("text"): a_pool(), TaskName("code"): a_pool(*some_samples(3, prefix="code"))}


class StateStoreHarness(ABC):
    """Access to the store under test.

    Within one test, each further call of ``open`` is a restart: it sees what was recorded before.
    """

    @abstractmethod
    def open(self) -> StateStore:
        """Open the test's store, empty at first; called again after ``close`` or a crash."""

    @abstractmethod
    def unreadable(self) -> StateStore:
        """Open a store over saved state that is corrupt or newer than this program."""

    @abstractmethod
    def unavailable(self) -> StateStore:
        """Open a store whose disk fails."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[StateStore]:
        """Open the test's store; leaving the context closes it."""
        store = self.open()
        try:
            yield store
        finally:
            await store.close()

    def run(self, steps: Callable[[StateStore], Awaitable[_T]]) -> _T:
        """Open the store, run the steps, close it."""

        async def run() -> _T:
            async with self.opened() as store:
                return await steps(store)

        return asyncio.run(run())

    def load(self) -> ValidatorState:
        """Return the state as a restarted validator loads it."""
        return self.run(lambda store: store.load())
