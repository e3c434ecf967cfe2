"""Search for an extrinsic of ours in the block that holds it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import bittensor as bt

from sn37.adapters.subtensor.decoding import a_list, a_mapping, some_bytes
from sn37.domain.ids import Block, Hotkey

Call = tuple[str, str]  # pallet and function

WEIGHT_CALLS: frozenset[Call] = frozenset(
    ("SubtensorModule", function)
    for function in (
        "set_weights",
        "set_mechanism_weights",
        "commit_timelocked_weights",
        "commit_timelocked_mechanism_weights",
    )
)


async def find_extrinsic(
    client: bt.Client, block: Block, hotkey: Hotkey, calls: Collection[Call]
) -> str | None:
    """Return the id "block-index" of our last extrinsic of that kind in a block.

    Returns ``None`` if none can be recognized, as inside a batch or behind a proxy.
    """
    info = await client.block_info(block)
    extrinsics = [] if info is None else a_list(info.extrinsics)
    found = [i for i, x in enumerate(extrinsics) if _is_ours(x, hotkey, calls)]
    return f"{block}-{found[-1]:04d}" if found else None


def _is_ours(extrinsic: object, hotkey: Hotkey, calls: Collection[Call]) -> bool:
    if not isinstance(extrinsic, Mapping) or "address" not in extrinsic:
        return False  # the chain's own, or not decodable
    call = a_mapping(extrinsic["call"])
    if (call.get("call_module"), call.get("call_function")) not in calls:
        return False
    return _names(extrinsic["address"], hotkey)


def _names(address: object, hotkey: Hotkey) -> bool:
    """True if an address is this hotkey's: plain, as an account id, or in a variant of either."""
    if isinstance(address, Mapping):
        return any(_names(part, hotkey) for part in address.values())
    if address == hotkey:
        return True
    if not isinstance(address, str):
        return False
    public_key = bytes(bt.sp_core.ss58_decode(hotkey))
    return address.startswith("0x") and some_bytes(address) == public_key
