"""What a subnet asks of whoever sets weights, and whether our hotkey may now."""

from __future__ import annotations

from dataclasses import dataclass

import bittensor as bt

from sn37.adapters.subtensor.connection import Connection
from sn37.adapters.subtensor.decoding import a_mapping, an_address, an_int
from sn37.adapters.subtensor.metagraph import decode_metagraph
from sn37.domain.ids import Block, BlockRef, Hotkey, Netuid
from sn37.domain.metagraph import RAO_PER_TAO, Metagraph, Neuron
from sn37.domain.release.version import outdated
from sn37.ports.errors import WeightsRefused

METAGRAPH = ("SubnetInfoRuntimeApi", "get_metagraph")
STAKE_THRESHOLD = ("SubtensorModule", "StakeThreshold")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightRules:
    """One subnet's limits and members, read at one block."""

    netuid: Netuid
    metagraph: Metagraph
    owner: Hotkey  # of the subnet; stake and permit are not asked of it
    min_weights: int  # entries that a row must have at least
    max_weight: int  # largest part of a row's sum, of 65,535
    rate_limit_blocks: int  # between two rows of one hotkey
    commit_reveal: bool
    reveal_period_epochs: int
    tempo: int  # blocks of an epoch, less one
    min_stake_rao: int

    @property
    def block(self) -> Block:
        return self.metagraph.at.number


async def read_rules(
    client: bt.Client, netuid: Netuid, block: Block | None = None
) -> WeightRules | None:
    """The rules at a block, the newest by default; ``None`` when there is no such subnet.

    Three requests. The newest block and not the finalized one, because the next one decides.
    """
    number = await client.block() if block is None else block
    at = BlockRef(Block(number), "")  # not final yet, so its hash means nothing to others
    record = await client.runtime(METAGRAPH, [netuid], block=number)
    if record is None:
        return None
    fields = a_mapping(record)
    threshold = await client.query(STAKE_THRESHOLD, block=number)
    return WeightRules(
        netuid=netuid,
        metagraph=decode_metagraph(record, at),
        owner=Hotkey(an_address(fields["owner_hotkey"])),
        min_weights=an_int(fields["min_allowed_weights"]),
        max_weight=an_int(fields["max_weights_limit"]),
        rate_limit_blocks=an_int(fields["weights_rate_limit"]),
        commit_reveal=bool(fields["commit_reveal_weights_enabled"]),
        reveal_period_epochs=an_int(fields["commit_reveal_period"]),
        tempo=an_int(fields["tempo"]),
        min_stake_rao=an_int(threshold or 0),
    )


async def rules_of(
    connection: Connection, netuid: Netuid, block: Block | None = None
) -> WeightRules:
    """What the subnet asks for now, or asked for at a block.

    Raises:
        WeightsRefused: There is no such subnet.
        ChainUnavailable: No endpoint answered, or keeps the state of that block.
    """
    rules = await connection.read(
        f"weight rules of subnet {netuid}", lambda client: read_rules(client, netuid, block)
    )
    if rules is None:
        raise WeightsRefused(
            f"there is no subnet {netuid} on this network; check --netuid and --network",
            code="SubnetNotExists",
        )
    return rules


def next_permitted(rules: WeightRules, me: Neuron) -> Block:
    """The first head at which the rate limit lets our weights be sent.

    The next block would do by the chain's own count; the SDK counts to the head.
    """
    if me.last_update == 0:  # never set
        return rules.block
    return Block(me.last_update + rules.rate_limit_blocks)


def require_permitted(rules: WeightRules, hotkey: Hotkey, version: str) -> Neuron:
    """Our neuron, when the chain would take weights from it in its next block.

    With commit-reveal the chain asks for stake, permit and version only when it reveals, and
    drops in silence what it refuses then. So all of it is asked here, in the chain's order
    and under its names.

    Raises:
        WeightsRefused: It would not; says what to do.
    """
    me = rules.metagraph.find(hotkey)
    if me is None:
        raise WeightsRefused(
            f"hotkey {hotkey} is not registered on subnet {rules.netuid}; register it with: "
            f"btcli subnets register --netuid {rules.netuid}",
            code="HotKeyNotRegisteredInSubNet",
        )
    if hotkey != rules.owner and me.stake_rao < rules.min_stake_rao:
        raise WeightsRefused(
            f"stake weight {me.stake_rao / RAO_PER_TAO:,.0f} is below the "
            f"{rules.min_stake_rao / RAO_PER_TAO:,.0f} that weights need; stake more with: "
            f"btcli stake add --netuid {rules.netuid}",
            code="NotEnoughStakeToSetWeights",
        )
    if why := outdated(rules.metagraph.weights_version, version):
        raise WeightsRefused(why, code="IncorrectWeightVersionKey")
    if (block := next_permitted(rules, me)) > rules.block:
        raise WeightsRefused(
            f"weights were set at block {me.last_update} and may be again at block {block}, "
            f"{rules.rate_limit_blocks} blocks later; they are sent then",
            code="CommittingWeightsTooFast" if rules.commit_reveal else "SettingWeightsTooFast",
            next_block=block,
        )
    if hotkey != rules.owner and not me.validator_permit:
        raise WeightsRefused(
            f"uid {me.uid} has no validator permit, which the subnet gives to those with the "
            f"most stake at the start of an epoch; stake more with: "
            f"btcli stake add --netuid {rules.netuid}",
            code="NeuronNoValidatorPermit",
        )
    return me
