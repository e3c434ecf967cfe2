"""Reads from two endpoints, whose answers must agree where they decide a round.

One endpoint could invent commitments, permits or stake for a true block hash (attack 61).
Two limits remain: two names may lead to machines of one owner, and nothing confirms an answer
about a block that the other endpoint has pruned. Two names of one node, recognized by its
peer id, count as one (``Connection.read_twice``).
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

import bittensor as bt

from sn37.adapters.subtensor.connection import Connection, Use
from sn37.adapters.subtensor.decoding import a_hash
from sn37.adapters.subtensor.errors import is_pruned, lacks_block
from sn37.adapters.subtensor.storage import substrate_of
from sn37.domain.ids import Block
from sn37.ports.clock import Clock
from sn37.ports.errors import ChainUnavailable

LAG_PAUSES_S = (0.0, 1.0, 2.0, 4.0, 6.0)  # waits for a second endpoint that lags: one block in all

_T = TypeVar("_T")


async def agreed(connection: Connection, what: str, use: Use[_T]) -> _T:
    """Return the answer of two endpoints, or of one if only one keeps the state.

    Args:
        what: Names the question in messages.
        use: Reads at one block hash; equal states must give equal answers.

    Raises:
        ChainUnavailable: The answers differ, or too few endpoints answered.
    """

    async def kept(client: bt.Client) -> tuple[_T] | None:
        try:
            return (await use(client),)
        except bt.BittensorError as error:
            if is_pruned(error):
                return None
            raise

    answers = await connection.read_twice(what, kept)
    told = [(name, answer[0]) for name, answer in answers if answer is not None]
    if not told:
        raise ChainUnavailable(
            f"{what}: no endpoint keeps the state of this block (pruned); add an archive endpoint "
            "with --endpoint"
        )
    if any(answer != told[0][1] for _, answer in told):
        raise ChainUnavailable(disagreement(what, [(name, digest(a)) for name, a in told]))
    return told[0][1]


async def agreed_hash(
    connection: Connection, number: Block, clock: Clock
) -> tuple[str, Sequence[str]]:
    """Return the hash of a final block and the names of the one or two endpoints that sent it.

    Waits one block's time for a second endpoint that lags.

    Raises:
        ChainUnavailable: The answers differ, or too few endpoints answered.
    """

    async def use(client: bt.Client) -> str | None:
        try:
            return a_hash(await substrate_of(client).block_hash(number))
        except bt.ChainError as error:
            if lacks_block(error):
                return None  # it lags behind
            raise

    what = f"hash of block {number}"
    for pause_s in LAG_PAUSES_S:
        await clock.sleep(pause_s)
        answers = await connection.read_twice(what, use)
        hashes = {answer for _, answer in answers}
        if None not in hashes:
            break
    found = hashes.pop()
    if hashes or found is None:
        said = [(name, answer or "nothing yet") for name, answer in answers]
        raise ChainUnavailable(disagreement(what, said))
    return found, [name for name, _ in answers]


def disagreement(what: str, said: Sequence[tuple[str, str]]) -> str:
    """Return one line with each endpoint's answer and the consequence."""
    lines = "; ".join(f"{name} says {answer}" for name, answer in said)
    return f"{what}: {lines}; the round waits until they agree, or the wrong one is removed"


def digest(answer: object) -> str:
    """Return a short digest of an answer, so that operators can compare what they received."""
    return sha256(repr(answer).encode()).hexdigest()[:16]
