"""Even signers: gains that do not rest on a minority of the signers.

The test for odd signers (``sn37.domain.round.odd_signers``) needs rows: it does not find a signer
with few of them, or with an edge just below the limit. Several such signers together would take a
crown or have an honest entry retired. So the evidence must also suffice with even signers, which
means that no signer's gain is above that of the median signer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sn37.domain.ids import TaskName
from sn37.domain.round.signers import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A signer's gain as a share of the champion's loss on the same rows."""

    gain: float
    median: float  # of the signers of its task

    @property
    def beyond(self) -> float:
        """Part that is taken off, never below zero."""
        return max(0.0, self.gain - self.median)


def evened(
    champion: Sequence[float], gains: Sequence[float], origins: Sequence[Origin]
) -> list[float]:
    """Return the gains with no signer above the median signer of its task.

    A signer's gain is the sum of its gains as a share of the champion's loss on the same rows. Its
    part beyond the median is taken off its rows, in proportion to the champion's loss on them. With
    an even number of signers the median is the lower of the two in the middle. Signers below the
    median stay as they are. Unsigned rows count as those of one more signer.

    So fewer than half of a task's signers add nothing to the gains of the others, however many or
    few rows they have. Linear in the number of rows.
    """
    shares = shares_of(champion, gains, origins)
    beyond = {origin: share.beyond for origin, share in shares.items() if share.beyond > 0}
    return [
        gain - beyond[origin] * a if origin in beyond else gain
        for a, gain, origin in zip(champion, gains, origins, strict=True)
    ]


def shares_of(
    champion: Sequence[float], gains: Sequence[float], origins: Sequence[Origin]
) -> Mapping[Origin, Share]:
    """Return the gain of each signer on whose rows the champion has a loss."""
    sums: dict[Origin, list[float]] = {}
    for a, gain, origin in zip(champion, gains, origins, strict=True):
        of_origin = sums.setdefault(origin, [0.0, 0.0])
        of_origin[0] += a
        of_origin[1] += gain
    shares = {origin: gain / a for origin, (a, gain) in sums.items() if a > 0}
    by_task: dict[TaskName, list[float]] = {}
    for origin, share in shares.items():
        by_task.setdefault(origin.task, []).append(share)
    middle = {task: sorted(found)[(len(found) - 1) // 2] for task, found in by_task.items()}
    return {
        origin: Share(gain=share, median=middle[origin.task]) for origin, share in shares.items()
    }
