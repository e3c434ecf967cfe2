"""Commitment to a model, after a confirmation of what it would replace."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from sn37.domain.ids import Block, EntryKey, Hotkey, RoundKey
from sn37.domain.submission.commitment import StandingCommitment
from sn37.ports.chain import CommitmentWriter

Confirm = Callable[[Collection[str]], bool]  # gets the losses; returns True to go on


def losses(
    standing: StandingCommitment | None,
    *,
    hotkey: Hotkey,
    crowns: Collection[tuple[RoundKey, EntryKey]],
    reveal_at: datetime | None = None,
) -> tuple[str, ...]:
    """Return what a new commitment of ``hotkey`` would give up, one line each.

    The chain keeps one commitment for each hotkey on a subnet. A new one replaces the old one
    at once, even if the new one is sealed and cannot be read for hours.

    Args:
        standing: The commitment on chain now.
        crowns: The champion after the newest round of each competition, if known.
        reveal_at: Time at which the new commitment opens, if it is sealed.
    """
    if standing is None:
        return ()
    if standing.data is None:
        return (
            f"the sealed commitment of block {standing.block} has not opened yet: it is replaced "
            "and will never open",
        )
    held = sorted(r.competition for r, key in crowns if key == EntryKey(hotkey, standing.block))
    found = [
        f"the commitment of block {standing.block} holds the crown of competition {competition}: "
        "a new commitment gives it up and has to win it again as a challenger"
        for competition in held
    ]
    if held and reveal_at is not None and not standing.was_sealed:
        found.append(
            f"the new commitment is sealed until {reveal_at:%Y-%m-%d %H:%M} UTC: until then "
            "this hotkey has no model in any round and earns nothing"
        )
    return tuple(found)


async def commit(
    writer: CommitmentWriter,
    text: str,
    *,
    hotkey: Hotkey,
    crowns: Collection[tuple[RoundKey, EntryKey]],
    confirm: Confirm,
    reveal_at: datetime | None = None,
) -> Block | None:
    """Commit; return the block of the commitment, or ``None`` when ``confirm`` returned False.

    A text that is on chain already is not committed again, which would only make it younger.
    Until this returns, the model's repository must stay private: a rival who reads it earlier
    can commit to the same files first (attack 2).

    Raises:
        CommitmentRefused, ChainUnavailable: See ``CommitmentWriter.commit``.
    """
    standing = await writer.standing()
    if standing is not None and standing.data == text.encode():
        return standing.block
    given_up = losses(standing, hotkey=hotkey, crowns=crowns, reveal_at=reveal_at)
    if given_up and not confirm(given_up):
        return None
    return (await writer.commit(text, reveal_at=reveal_at)).number
