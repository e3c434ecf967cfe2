"""A chain of our own in the shape of finney's: full subnets, and the commitments of the cast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sn37.domain.ids import BLOCK_SECONDS, Block, Hotkey
from sn37.domain.schedule.schedule import Schedule
from tests.rehearsal.cast import Attack, Miner
from tests.rehearsal.runs import signers
from tests.support.substrate import MemorySubstrate, a_keypair
from tests.support.substrate.ledger import GENESIS_TIME

NUM_MEMBERS = 256  # of a full subnet
BEFORE = 2_600  # blocks that the chain has before the first round
LEAST_AGE = 2_000  # of the commitments at the first round; the longest delay is 1,600 blocks
WARNING = 70  # blocks before the first round at which the validators start
BURN = "burn"  # a member whose hotkey an overlay may name as its schedule's burn
STAKE_TAO = 200_000  # of validators; the schedule trusts signers with more than 100,000


def build_chain(
    schedule: Schedule,
    first: Block,
    validators: Sequence[Hotkey],
    cast: Sequence[Miner],
    said: Mapping[str, str],
) -> MemorySubstrate:
    """Return a chain that is ``WARNING`` blocks before the round at ``first``."""
    chain = MemorySubstrate(head=first - BEFORE, salt="rehearsal")
    for netuid in (1, 18, schedule.netuid):
        chain.add_subnet(netuid)
    for netuid in (1, 18):
        for signer in signers(netuid):
            chain.register(signer.hotkey, netuid=netuid, stake_tao=STAKE_TAO, permit=True)
    for hotkey in validators:
        chain.register(hotkey, netuid=schedule.netuid, stake_tao=STAKE_TAO, permit=True)
    for miner in cast:
        chain.register(miner.hotkey, netuid=schedule.netuid)
    chain.register(a_keypair(BURN).ss58_address, netuid=schedule.netuid)
    for number in range(NUM_MEMBERS - 1 - len(validators) - len(cast)):
        chain.register(a_keypair(f"idle-{number}").ss58_address, netuid=schedule.netuid)
    chain.produce(BEFORE - LEAST_AGE)
    for miner in cast:
        if miner.attack is not Attack.LATE:
            _commit(chain, schedule, miner, said)
    late = [miner for miner in cast if miner.attack is Attack.LATE]
    chain.produce(first - WARNING - len(late) - chain.ledger.head)
    for miner in late:
        _commit(chain, schedule, miner, said)
    return chain


def time_of(block: Block) -> datetime:
    """The time of a block on this chain."""
    seconds = GENESIS_TIME.timestamp() + BLOCK_SECONDS * block
    return datetime.fromtimestamp(seconds, tz=UTC)


def weights_of(chain: MemorySubstrate, netuid: int, hotkey: Hotkey) -> Mapping[Hotkey, int]:
    """The row of weights that a validator has in force, by hotkey."""
    ledger, pallet = chain.ledger, "SubtensorModule"
    uid = ledger.read((pallet, "Uids"), (netuid, hotkey))
    row = ledger.read((pallet, "Weights"), (netuid, uid))
    if not isinstance(row, list):
        return {}
    return {Hotkey(str(ledger.read((pallet, "Keys"), (netuid, u)))): value for u, value in row}


def _commit(
    chain: MemorySubstrate, schedule: Schedule, miner: Miner, said: Mapping[str, str]
) -> None:
    """Commit in a block of its own."""
    chain.produce()
    chain.commit_text(miner.hotkey, said[miner.name], netuid=schedule.netuid)
