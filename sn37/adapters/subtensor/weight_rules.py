"""Rules of a subnet for setting weights, and the check that our hotkey meets them now."""

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
    owner: Hotkey  # of the subnet; it needs no stake and no permit
    min_weights: int  # minimum number of entries of a row
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
    """Return the rules at a block, by default the newest; ``None`` if the subnet does not exist.

    Costs three requests. Reads the newest block, not the finalized one: the next block decides.
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
    """Return the subnet's rules, now or at a block.

    Raises:
        WeightsRefused: The subnet does not exist.
        ChainUnavailable: No endpoint answered, or none keeps the state of that block.
    """
    rules = await connection.read(
        f"weight rules of subnet {netuid}", lambda client: read_rules(client, netuid, block)
    )
    if rules is None:
        raise WeightsRefused(
            f"subnet {netuid} does not exist on this network; check --netuid and --network",
            code="SubnetNotExists",
        )
    return rules


def next_permitted(rules: WeightRules, me: Neuron) -> Block:
    """Return the first head at which the rate limit lets our weights be sent.

    The chain itself counts to the next block; the SDK counts to the head.
    """
    if me.last_update == 0:  # never set
        return rules.block
    return Block(me.last_update + rules.rate_limit_blocks)


def require_permitted(rules: WeightRules, hotkey: Hotkey, version: str) -> Neuron:
    """Return our neuron if the chain would accept weights from it in its next block.

    With commit-reveal the chain checks stake, permit and version only at the reveal, and
    silently drops what fails. All checks are therefore made here, in the chain's order and
    with its names.

    Raises:
        WeightsRefused: The chain would refuse; the message says what to do.
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
            f"stake weight {me.stake_rao / RAO_PER_TAO:,.0f} is below the required "
            f"{rules.min_stake_rao / RAO_PER_TAO:,.0f}; stake more with: "
            f"btcli stake add --netuid {rules.netuid}",
            code="NotEnoughStakeToSetWeights",
        )
    if why := outdated(rules.metagraph.weights_version, version):
        raise WeightsRefused(why, code="IncorrectWeightVersionKey")
    if (block := next_permitted(rules, me)) > rules.block:
        raise WeightsRefused(
            f"weights were set at block {me.last_update} and may be set again at block {block}, "
            f"{rules.rate_limit_blocks} blocks later; they are sent then",
            code="CommittingWeightsTooFast" if rules.commit_reveal else "SettingWeightsTooFast",
            next_block=block,
        )
    if hotkey != rules.owner and not me.validator_permit:
        raise WeightsRefused(
            f"uid {me.uid} has no validator permit, which the subnet gives to the hotkeys with "
            f"the most stake at the start of an epoch; stake more with: "
            f"btcli stake add --netuid {rules.netuid}",
            code="NeuronNoValidatorPermit",
        )
    return me
