"""Decoder of the chain's record of an epoch, and of one validator's weights, to a ``Consensus``."""

from __future__ import annotations

from collections.abc import Sequence

from sn37.adapters.subtensor.decoding import a_list, an_int
from sn37.adapters.subtensor.metagraph import U16_MAX
from sn37.adapters.subtensor.storage import Lookup
from sn37.domain.ids import Hotkey, Netuid, Uid
from sn37.domain.metagraph import Consensus, Metagraph

PALLET = "SubtensorModule"


def lookups_of(netuid: Netuid, own: Uid | None) -> list[Lookup]:
    """Return the storage that ``decode_consensus`` reads; of weights, our own row alone."""
    return [
        Lookup(pallet=PALLET, item="Consensus", keys=[[netuid]]),
        Lookup(pallet=PALLET, item="ValidatorTrust", keys=[[netuid]]),
        Lookup(pallet=PALLET, item="Weights", keys=[] if own is None else [[netuid, own]]),
    ]


def decode_consensus(found: Sequence[Sequence[object]], members: Metagraph) -> Consensus:
    """Decode the values of ``lookups_of``, read at the block of ``members``.

    Raises:
        TypeError, ValueError: They have an unknown form.
    """
    weights, trust, rows = found
    names = {neuron.uid: neuron.hotkey for neuron in members.neurons}
    pairs = [a_list(pair) for row in rows for pair in a_list(row or ())]
    own = {Uid(an_int(uid)): an_int(value) for uid, value in pairs}
    total = sum(own.values())
    return Consensus(
        at=members.at,
        weights=_column(weights[0], members),
        validator_trust=_column(trust[0], members),
        own={names[uid]: value / total for uid, value in own.items() if value and uid in names},
    )


def _column(values: object, members: Metagraph) -> dict[Hotkey, float]:
    """Return a vector of the chain by hotkey; it may be shorter than the subnet is now."""
    numbers = [an_int(value) for value in a_list(values or ())]
    return {
        neuron.hotkey: numbers[neuron.uid] / U16_MAX
        for neuron in members.neurons
        if neuron.uid < len(numbers) and numbers[neuron.uid]
    }
