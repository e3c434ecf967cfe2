"""Check everything that a validator needs of a network; send nothing.

Each check reports its result, also when it could not be made. A check that depends on a
failed one is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import bittensor as bt

import sn37
from sn37.adapters.subtensor.chain import SubtensorChain
from sn37.adapters.subtensor.connection import Connection, Endpoint, Pacing
from sn37.adapters.subtensor.errors import RuntimeLacks
from sn37.adapters.subtensor.permission_checks import permissions
from sn37.adapters.subtensor.refusals import weights_refused
from sn37.adapters.subtensor.wallet import HotkeySigner
from sn37.adapters.subtensor.weight_row import compose
from sn37.adapters.subtensor.weight_rules import WeightRules, rules_of
from sn37.domain.check_line import Check, Grade
from sn37.domain.ids import BlockRef, Netuid
from sn37.domain.release.version import weights_version
from sn37.domain.weight_vector import WeightVector
from sn37.ports.clock import Clock
from sn37.ports.errors import CONNECTION_ADVICE, ChainUnavailable, WeightsRefused
from sn37.ports.telemetry import EventSink

EXAMPLE_MINERS = 3  # in the example row of weights
SLOW_S = 2.0  # of one small request; a poll of a block has four larger ones
OLD_HEAD = timedelta(minutes=2)  # the chain finalizes within half a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """Checks of one subnet through every endpoint, with one hotkey or without."""

    endpoints: Sequence[Endpoint]
    netuid: Netuid
    signer: HotkeySigner | None
    clock: Clock
    sink: EventSink
    pacing: Pacing = field(default_factory=Pacing)

    async def run(self) -> AsyncIterator[Check]:
        """Yield every result as soon as it is known."""
        answering = []
        # All at the same time: each may take as long as a request may.
        tasks = [asyncio.create_task(self._endpoint(endpoint)) for endpoint in self.endpoints]
        try:
            for endpoint, task in zip(self.endpoints, tasks, strict=True):
                check = await task
                if check.grade is not Grade.FAILED:
                    answering.append(endpoint)
                yield check
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not answering:
            return
        connection = self._connect(answering)
        try:
            async for check in self._subnet(connection):
                yield check
        except ChainUnavailable as error:
            yield Check(
                name="connection",
                grade=Grade.FAILED,
                detail=f"lost: {error}",
                remedy="try again; if it fails again, use another network connection or endpoint",
            )
        finally:
            await connection.close()

    async def _endpoint(self, endpoint: Endpoint) -> Check:
        """Connect, and measure the time of one small request on the open connection."""
        connection, what = self._connect([endpoint]), "newest block"

        async def look(client: bt.Client) -> tuple[int, int, float]:
            began = self.clock.monotonic()
            number = await client.block()
            return number, await client.spec_version(), self.clock.monotonic() - began

        try:
            began = self.clock.monotonic()
            number, runtime, answer_s = await connection.read(what, look)
        except ChainUnavailable as error:
            return Check(
                name=f"endpoint {endpoint.name}",
                grade=Grade.FAILED,
                detail=str(error).removeprefix(f"{what}: {endpoint.name}: "),
                remedy=CONNECTION_ADVICE,
            )
        finally:
            await connection.close()
        connect_s = self.clock.monotonic() - began - answer_s
        slow = answer_s > SLOW_S
        return Check(
            name=f"endpoint {endpoint.name}",
            grade=Grade.WARNING if slow else Grade.OK,
            detail=(
                f"connected in {connect_s:.1f} s, answers in {answer_s * 1000:.0f} ms, "
                f"block {number}, runtime {runtime}"
            ),
            remedy="name one that is nearer with --endpoint" if slow else "",
        )

    async def _subnet(self, connection: Connection) -> AsyncIterator[Check]:
        chain = SubtensorChain(connection, netuid=self.netuid, clock=self.clock, sink=self.sink)
        head = await chain.head()
        yield await _tried("finalized head", self._head(chain, head))
        yield await self._hashes(connection, chain, head)
        try:
            rules = await rules_of(connection, self.netuid)
        except WeightsRefused as error:
            yield Check(
                name="subnet",
                grade=Grade.FAILED,
                detail=str(error),
                remedy="choose another subnet with --netuid",
            )
            return
        except ChainUnavailable as error:
            yield _lacking("subnet", error)
            yield await _tried("commitments", self._commitments(chain, head))
            return
        yield Check(
            name="subnet",
            grade=Grade.OK,
            detail=(
                f"{self.netuid} with {len(rules.metagraph.neurons)} members, "
                f"an epoch every {rules.tempo + 1} blocks"
            ),
        )
        yield await _tried("commitments", self._commitments(chain, head))
        hotkey = None if self.signer is None else self.signer.hotkey
        for check in permissions(rules, hotkey, sn37.__version__):
            yield check
        if self.signer is not None:
            example = self._example(connection, rules, self.signer)
            yield await _tried("weights, not sent", example)

    async def _head(self, chain: SubtensorChain, head: BlockRef) -> Check:
        age = self.clock.now() - await chain.timestamp(head)
        late = abs(age) > OLD_HEAD
        return Check(
            name="finalized head",
            grade=Grade.WARNING if late else Grade.OK,
            detail=f"block {head.number}, {head.hash}, {age.total_seconds():.0f} s old",
            remedy="synchronize this machine's clock by NTP, or use an endpoint that keeps up"
            if late
            else "",
        )

    async def _hashes(self, connection: Connection, chain: SubtensorChain, head: BlockRef) -> Check:
        name = "hash cross-check"
        if len(connection.endpoint_names) < 2:
            return Check(
                name=name,
                grade=Grade.WARNING,
                detail="only one endpoint answers, so its answers cannot be compared",
                remedy="add a second endpoint with --endpoint",
            )
        try:
            same = await chain.block(head.number)
        except ChainUnavailable as error:
            return Check(
                name=name,
                grade=Grade.FAILED,
                detail=str(error),
                remedy="one of the endpoints is wrong or on a fork; use others with --endpoint",
            )
        return Check(
            name=name,
            grade=Grade.OK,
            detail=f"two endpoints agree on the hash of block {same.number}",
        )

    async def _commitments(self, chain: SubtensorChain, head: BlockRef) -> Check:
        began = self.clock.monotonic()
        book = await chain.commitments(head)
        took_s = self.clock.monotonic() - began
        return Check(
            name="commitments",
            grade=Grade.OK,
            detail=(
                f"{len(book.well_formed)} name models, {len(book.malformed)} are malformed, "
                f"read in {took_s:.1f} s"
            ),
        )

    async def _example(
        self, connection: Connection, rules: WeightRules, signer: HotkeySigner
    ) -> Check:
        """Compose weights for a few miners and estimate their fee; sign and send nothing."""
        name = "weights, not sent"
        miners = [n for n in rules.metagraph.neurons if not n.validator_permit][:EXAMPLE_MINERS]
        me = rules.metagraph.find(signer.hotkey)
        try:
            if me is None:
                raise WeightsRefused("this hotkey is not registered", code="")
            if not miners:
                raise WeightsRefused("the subnet has no miners", code="")
            even = WeightVector({n.hotkey: 1 / len(miners) for n in miners})
            row = compose(even, rules, me=me, evaluated_at=None)
            intent = bt.SetWeights(
                netuid=self.netuid,
                uids=list(row.shares),
                weights=list(row.shares.values()),
                version_key=weights_version(sn37.__version__),
            )
            plan = await connection.call(
                "fee of weights", lambda client: client.plan(intent, signer.keypair)
            )
        except bt.ChainError as error:
            return _not_now(name, weights_refused(error))
        except WeightsRefused as error:
            return _not_now(name, error)
        fee = "unknown" if plan.fee is None else f"{plan.fee.tao:.6f} TAO"
        return Check(
            name=name,
            grade=Grade.OK,
            detail=f"a row for {len(row.values)} miners was composed, fee {fee}",
        )

    def _connect(self, endpoints: Sequence[Endpoint]) -> Connection:
        return Connection(endpoints, clock=self.clock, pacing=self.pacing)


async def _tried(name: str, looking: Coroutine[None, None, Check]) -> Check:
    """Return the result of a check, which is failed if the runtime lacks what it reads.

    Raises:
        ChainUnavailable: The connection is lost.
    """
    try:
        return await looking
    except ChainUnavailable as error:
        return _lacking(name, error)


def _lacking(name: str, error: ChainUnavailable) -> Check:
    """Return a failed check for an item that the runtime lacks; the connection works.

    Raises:
        ChainUnavailable: The error has another cause.
    """
    if not isinstance(error.__cause__, RuntimeLacks):
        raise error
    return Check(
        name=name,
        grade=Grade.FAILED,
        detail=str(error),
        remedy="use an endpoint of the right network, or upgrade sn37",
    )


def _not_now(name: str, refusal: WeightsRefused) -> Check:
    return Check(
        name=name,
        grade=Grade.WARNING,
        detail=f"no weights could be composed: {refusal}",
        remedy="fix the failed checks above",
    )
