"""Commit to a model, after asking about what the new commitment would replace."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from sn37.domain.ids import Block, EntryKey, Hotkey, RoundKey
from sn37.domain.submission.commitment import StandingCommitment
from sn37.ports.chain import CommitmentWriter

Confirm = Callable[[Collection[str]], bool]  # shown the losses; whether to go on


def losses(
    standing: StandingCommitment | None,
    *,
    hotkey: Hotkey,
    crowns: Collection[tuple[RoundKey, EntryKey]],
    reveal_at: datetime | None = None,
) -> tuple[str, ...]:
    """What a new commitment of ``hotkey`` would give up, a line each; empty for nothing.

    The chain keeps one record of a hotkey on a subnet: the old one is gone when the new one
    is included, also when that is sealed and cannot be read for hours.

    Args:
        standing: What stands on chain now.
        crowns: The champion after the newest round of each competition, where it is known.
        reveal_at: When the new one is sealed, the time at which it opens.
    """
    if standing is None:
        return ()
    if standing.data is None:
        return (
            f"the sealed commitment of block {standing.block} has not opened yet: it is replaced, "
            "and never will",
        )
    held = sorted(r.competition for r, key in crowns if key == EntryKey(hotkey, standing.block))
    found = [
        f"the commitment of block {standing.block} holds the crown of competition {competition}: "
        "a new one gives it up, and has to win it again as a challenger"
        for competition in held
    ]
    if held and reveal_at is not None and not standing.was_sealed:
        found.append(
            f"sealed, the new one cannot be read before {reveal_at:%Y-%m-%d %H:%M} UTC: until then "
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
    """The block that includes the commitment; ``None`` when ``confirm`` said no.

    A text that stands on chain already is not committed again, which would only make it
    younger. Until this returns, the model's repository must stay private: a rival who reads
    it earlier can commit to the same files first (attack 2).

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
