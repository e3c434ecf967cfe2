"""Client of one endpoint: connecting, deadlines, and failures.

The SDK's clean-up of a call sends another request and waits for it without limit. A call
that passes its deadline is therefore ended by closing its connection.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import bittensor as bt

from sn37.adapters.subtensor.errors import (
    ENDPOINT_FAILURES,
    NONSENSE,
    RuntimeLacks,
    clean,
    explain,
    is_answer,
    lacks_item,
    retry_after_s,
)
from sn37.adapters.subtensor.storage import peer_id_of
from sn37.domain.backoff import Backoff
from sn37.ports.clock import Clock

log = logging.getLogger(__name__)

GRACE_S = 1.0  # for a cancelled call to clean up, which needs the peer's answer
CLOSE_TIMEOUT_S = 5.0  # for tasks of a closed connection to end

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address to connect to. ``open`` makes a client that is not yet connected."""

    name: str  # for messages, see ``errors.endpoint_name``
    open: Callable[[], bt.Client]


RESTS_S = Backoff(1.0, 60.0)  # after an endpoint failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """Deadlines and rests, in seconds."""

    call_timeout_s: float = 30.0
    connect_timeout_s: float = 60.0  # at first it reads the runtime's metadata, half a megabyte
    rests_s: Backoff = RESTS_S


class EndpointFailed(Exception):
    """An endpoint did not serve a call; names endpoint and reason, and chains the SDK's error."""

    def __init__(self, name: str, error: BaseException) -> None:
        super().__init__(f"{name}: {explain(error)}")
        self.__cause__ = error


class Link:
    """One endpoint's client while connected, and its record of failures.

    Args:
        jitter: Returns numbers between 0 and 1, so that validators that lost a connection
            together do not all reconnect at once.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        clock: Clock,
        pacing: Pacing,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = endpoint.name
        self.problem: EndpointFailed | None = None  # the newest
        self._endpoint = endpoint
        self._clock = clock
        self._pacing = pacing
        self._jitter = jitter
        self._client: bt.Client | None = None
        self._peer_id: str | None = None  # of the node that answered last, if it sends its id
        self._connecting = asyncio.Lock()
        self._num_failures = 0  # in a row
        self._rests_until = 0.0
        self._ending: set[asyncio.Task[None]] = set()

    def is_node_of(self, other: Link) -> bool:
        """True if both names are known to lead to one node, which has one peer id."""
        return other is self or (self._peer_id is not None and self._peer_id == other._peer_id)

    @property
    def rest_s(self) -> float:
        """Seconds until this endpoint may be used again; zero or negative if it may be used now."""
        return self._rests_until - self._clock.monotonic()

    async def client(self) -> bt.Client:
        """Return the client, connected.

        Raises:
            EndpointFailed: It cannot connect.
        """
        async with self._connecting:
            if self._client is not None:
                return self._client
            self._client = client = self._endpoint.open()
            try:
                await self._bounded(client, client.connect(), self._pacing.connect_timeout_s)
                self._peer_id = await self._bounded(
                    client, peer_id_of(client), self._pacing.call_timeout_s
                )
            except (bt.BittensorError, *ENDPOINT_FAILURES, *NONSENSE) as error:
                raise self._blame(client, error) from error
            except asyncio.CancelledError:
                self._cut(client)  # it is half open
                raise
            return client

    async def run(
        self,
        use: Callable[[bt.Client], Coroutine[None, None, _T]],
        timeout_s: float | None = None,
    ) -> _T:
        """Return the result of ``use``, which has ended when this returns or raises.

        Raises:
            EndpointFailed: The endpoint failed, or did not answer in time.
            bt.BittensorError: The endpoint answered with a refusal.
        """
        client = await self.client()
        timeout_s = self._pacing.call_timeout_s if timeout_s is None else timeout_s
        try:
            answer = await self._bounded(client, use(client), timeout_s)
        except bt.BittensorError as error:
            if is_answer(error):
                raise
            raise self._blame(client, error) from error
        except (*ENDPOINT_FAILURES, *NONSENSE) as error:
            if lacks_item(error):
                raise await self._lacking(client, error) from error
            raise self._blame(client, error) from error
        self._num_failures = 0
        return answer

    async def _lacking(self, client: bt.Client, error: BaseException) -> RuntimeLacks:
        """Return the error for a missing runtime item, with the runtime's version if known."""
        try:
            timeout_s = self._pacing.call_timeout_s
            version = str(await self._bounded(client, client.spec_version(), timeout_s))
        except (EndpointFailed, bt.BittensorError, *ENDPOINT_FAILURES, *NONSENSE):
            version = "of unknown version"
        return RuntimeLacks(
            f"the chain's runtime {version} lacks the requested item: {clean(error)}"
        )

    async def stream(
        self, use: Callable[[bt.Client], AsyncIterator[_T]], silence_s: float
    ) -> AsyncGenerator[_T | None, None]:
        """Yield the items of a subscription, and ``None`` for each ``silence_s`` without one.

        Items are skipped while the caller is busy.

        Raises:
            EndpointFailed: The subscription failed or ended.
        """
        client = await self.client()
        newest: list[_T] = []
        pulse = asyncio.Event()

        async def pump() -> None:
            async for item in use(client):
                newest[:] = [item]
                pulse.set()

        pumping = asyncio.create_task(pump())
        pumping.add_done_callback(lambda _: pulse.set())
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(silence_s):
                        await pulse.wait()
                pulse.clear()
                if newest:
                    self._num_failures = 0
                    yield newest.pop()
                elif pumping.done():
                    ended = pumping.exception() or ConnectionError("the subscription ended")
                    raise self._blame(client, ended) from ended
                else:
                    yield None
        finally:
            await self._end(pumping, client)

    async def close(self) -> None:
        """Close the client and wait until its tasks have ended."""
        if self._client is not None:
            self._cut(self._client)
        if self._ending:
            _, stuck = await asyncio.wait(self._ending, timeout=CLOSE_TIMEOUT_S)
            if stuck:
                log.error("%s: a connection did not close in time", self.name)

    async def _bounded(
        self, client: bt.Client, work: Coroutine[None, None, _T], timeout_s: float
    ) -> _T:
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task}, timeout=timeout_s)
            if not task.done():
                raise self._blame(client, TimeoutError(f"no answer within {timeout_s:g} s"))
            return task.result()
        finally:
            await self._end(task, client)

    async def _end(self, task: asyncio.Task[_T], client: bt.Client) -> None:
        """Make sure that ``task``, which uses ``client``, has ended."""
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=GRACE_S)
        if not task.done():
            self._cut(client)
            await asyncio.wait({task}, timeout=CLOSE_TIMEOUT_S)
        if not task.done():
            log.error("%s: a call did not end in time", self.name)
        elif not task.cancelled():
            task.exception()  # read, so that the event loop does not report it as lost

    def _blame(self, client: bt.Client, error: BaseException) -> EndpointFailed:
        """Close the failed ``client`` and rest; once, even if several calls notice the failure."""
        failure = EndpointFailed(self.name, error)
        if self._client is client:
            self._num_failures += 1
            rest_s = self._pacing.rests_s.after(self._num_failures)
            rest_s = max(rest_s * (1 + self._jitter()) / 2, retry_after_s(error))
            self._rests_until = self._clock.monotonic() + rest_s
            self.problem = failure
            log.info("%s; not used for %.1f s", failure, rest_s)
            self._cut(client)
        return failure

    def _cut(self, client: bt.Client) -> None:
        """Close ``client`` in the background, even if the peer does not answer."""
        if self._client is client:
            self._client = None
            task = asyncio.create_task(_close(client))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


async def _close(client: bt.Client) -> None:
    """Close a client; log an error of closing."""
    (error,) = await asyncio.gather(client.close(), return_exceptions=True)
    if error is not None:
        log.debug("closing a connection to the chain: %r", error)
