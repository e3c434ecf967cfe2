"""Decoder of the chain's record of a subnet to a ``Metagraph``."""

from __future__ import annotations

from sn37.adapters.subtensor.decoding import a_list, a_mapping, an_address, an_int
from sn37.domain.ids import Block, BlockRef, Coldkey, Hotkey, Uid
from sn37.domain.metagraph import Metagraph, Neuron

U16_MAX = 65_535  # the chain stores shares as a fraction of this

_COLUMNS = (
    "hotkeys",
    "coldkeys",
    "total_stake",
    "validator_permit",
    "block_at_registration",
    "last_update",
    "incentives",
)


def decode_metagraph(record: object, at: BlockRef) -> Metagraph:
    """Decode the result of ``SubnetInfoRuntimeApi.get_metagraph``; ``None``: no such subnet.

    Raises:
        TypeError, ValueError, KeyError: The record has an unknown form.
    """
    if record is None:
        return Metagraph(at=at, neurons=())
    fields = a_mapping(record)
    columns = [a_list(fields[name]) for name in _COLUMNS]
    return Metagraph(
        at=at,
        weights_version=an_int(fields["weights_version"]),
        neurons=tuple(
            Neuron(
                uid=Uid(uid),
                hotkey=Hotkey(an_address(hotkey)),
                coldkey=Coldkey(an_address(coldkey)),
                stake_rao=an_int(stake),
                validator_permit=bool(permit),
                registered_at=Block(an_int(registered)),
                last_update=Block(an_int(updated)),
                incentive=an_int(incentive) / U16_MAX,
            )
            for uid, (hotkey, coldkey, stake, permit, registered, updated, incentive) in enumerate(
                zip(*columns, strict=True)
            )
        ),
    )
