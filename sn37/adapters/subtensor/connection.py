"""Connection to the chain over several endpoints, with failover and rests after failures."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import TypeVar

import bittensor as bt

from sn37.adapters.subtensor.endpoint_client import Endpoint, EndpointFailed, Link, Pacing
from sn37.ports.clock import Clock
from sn37.ports.errors import ChainUnavailable

__all__ = ["Connection", "Endpoint", "Pacing"]

_T = TypeVar("_T")
Use = Callable[[bt.Client], Coroutine[None, None, _T]]


class Connection:
    """Lends a connected client for one call at a time; calls may run in parallel.

    An endpoint is used until it fails, then the next one in the list, in a circle. A failed
    endpoint rests for a while. While all rest, calls fail at once with the time of the next
    try.

    Args:
        endpoints: At least one, in order of preference.
        clock: Measures the rests.
        jitter: See ``Link``.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        clock: Clock,
        pacing: Pacing | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not endpoints:
            raise ValueError("a connection needs at least one endpoint")
        pacing = pacing or Pacing()
        self._links = [Link(e, clock=clock, pacing=pacing, jitter=jitter) for e in endpoints]

    @property
    def endpoint_names(self) -> tuple[str, ...]:
        """Names of the endpoints, the current one first."""
        return tuple(link.name for link in self._links)

    async def read(self, what: str, use: Use[_T], *, timeout_s: float | None = None) -> _T:
        """Return the first endpoint's answer; ``use`` may run more than once.

        Args:
            what: Names the call in messages, such as "commitments at block 120".
            use: The SDK calls. Every error in them is blamed on the endpoint.
            timeout_s: For each endpoint; by default that of the connection's pacing.

        Raises:
            ChainUnavailable: No endpoint answered.
        """
        link, answer = await self._first_answer(what, self._links, use, timeout_s)
        self._prefer(link)
        return answer

    async def read_twice(self, what: str, use: Use[_T]) -> tuple[tuple[str, _T], ...]:
        """Return the answers of two endpoints with their names, or of one if there is only one.

        Two names of one node, recognized by its peer id, count as one.

        Raises:
            ChainUnavailable: Fewer endpoints answered.
        """
        link, answer = await self._first_answer(what, self._links, use, None)
        answers = [(link.name, answer)]
        while others := [other for other in self._links if not link.is_node_of(other)]:
            second, answer = await self._first_answer(what, others, use, None)
            if not link.is_node_of(second):  # the peer id is known only after connecting
                answers.append((second.name, answer))
                break
        return tuple(answers)

    async def call(self, what: str, use: Use[_T], *, timeout_s: float | None = None) -> _T:
        """Run ``use`` at most once: for what must not be repeated, such as a submission.

        Raises:
            bt.BittensorError: The chain refused; the SDK's own error.
            ChainUnavailable: No connection, or it failed during the call, which may still have
                taken effect.
        """
        link = await self._connected(what)
        try:
            return await link.run(use, timeout_s)
        except EndpointFailed as failure:
            raise self._unavailable(what, [failure]) from failure.__cause__

    async def stream(
        self,
        what: str,
        use: Callable[[bt.Client], AsyncIterator[_T]],
        *,
        silence_s: float,
    ) -> AsyncGenerator[_T | None, None]:
        """Yield the items of a subscription, and ``None`` for each ``silence_s`` without one.

        Items are skipped while the caller is busy.

        Raises:
            ChainUnavailable: The subscription failed or ended.
        """
        link = await self._connected(what)
        try:
            async with aclosing(link.stream(use, silence_s)) as items:
                async for item in items:
                    yield item
        except EndpointFailed as failure:
            raise self._unavailable(what, [failure]) from failure.__cause__

    async def close(self) -> None:
        """Close every client and its tasks. The connection may be used again."""
        for link in self._links:
            await link.close()

    def _prefer(self, link: Link) -> None:
        """Put ``link`` first; the others follow in circular order."""
        position = self._links.index(link)
        self._links = self._links[position:] + self._links[:position]

    async def _first_answer(
        self, what: str, links: Sequence[Link], use: Use[_T], timeout_s: float | None
    ) -> tuple[Link, _T]:
        problems: list[EndpointFailed] = []
        for link in self._rested(what, links):
            try:
                return link, await link.run(use, timeout_s)
            except EndpointFailed as failure:
                problems.append(failure)
            except bt.BittensorError as error:
                # This endpoint works but has no answer; another may know older or newer blocks.
                problems.append(EndpointFailed(link.name, error))
        raise self._unavailable(what, problems) from problems[-1].__cause__

    async def _connected(self, what: str) -> Link:
        problems: list[EndpointFailed] = []
        for link in self._rested(what, self._links):
            try:
                await link.client()
            except EndpointFailed as failure:
                problems.append(failure)
            else:
                self._prefer(link)
                return link
        raise self._unavailable(what, problems) from problems[-1].__cause__

    def _rested(self, what: str, links: Sequence[Link]) -> list[Link]:
        """Return the links that are not resting.

        Raises:
            ChainUnavailable: All rest.
        """
        if rested := [link for link in links if link.rest_s <= 0]:
            return rested
        problems = [link.problem for link in links if link.problem is not None]
        raise self._unavailable(what, problems) from problems[-1].__cause__

    def _unavailable(self, what: str, problems: Sequence[EndpointFailed]) -> ChainUnavailable:
        wait_s = min(link.rest_s for link in self._links)
        return ChainUnavailable(
            f"{what}: {'; '.join(str(problem) for problem in problems)}",
            retry_after_s=wait_s if wait_s > 0 else None,
        )
