"""Stages of a commitment on its way to the crown: the words that every page and command uses.

Words are stable: they appear in the JSON interface and in documents. Extend the table, never
rename a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from sn37.domain.submission.submission import Verdict


class SubmissionStage(StrEnum):
    """Where a commitment is, in a word or two."""

    NOT_REGISTERED = "not registered"
    NOTHING_COMMITTED = "nothing committed"
    SEALED = "sealed"
    MALFORMED = "malformed"
    COMMITTED = "committed"
    ELIGIBLE = "eligible"
    WAITING = "waiting"
    CHALLENGER = "challenger"
    CHAMPION = "champion"
    FORMER_CHAMPION = "former champion"
    RETIRED = "retired"
    FAILED = "failed"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"

    @property
    def meaning(self) -> str:
        """Its meaning, in one line."""
        return _LINES[self].partition("; ")[0]

    @property
    def advice(self) -> str:
        """The next step, or a remedy, in one line."""
        return _LINES[self].partition("; ")[2]


_LINES: Mapping[SubmissionStage, str] = MappingProxyType(
    {
        SubmissionStage.NOT_REGISTERED: "the hotkey is not a member of the subnet; register it",
        SubmissionStage.NOTHING_COMMITTED: "the hotkey has not committed to a model; publish one",
        SubmissionStage.SEALED: "the commitment is hidden until its seal opens; wait",
        SubmissionStage.MALFORMED: "the text on chain cannot be read; commit again",
        SubmissionStage.COMMITTED: "recorded, but not listed in a round yet; wait for a round",
        SubmissionStage.ELIGIBLE: "it may be scored in the next round; wait for it",
        SubmissionStage.WAITING: "it may be scored in a later round; see the reason",
        SubmissionStage.CHALLENGER: "scored, but not yet better than the champion by the margin; "
        "further rounds add evidence",
        SubmissionStage.CHAMPION: "it holds the crown of its competition; keep it public",
        SubmissionStage.FORMER_CHAMPION: "it held the crown before; commit another model",
        SubmissionStage.RETIRED: "it can no longer take the crown and is not scored again; "
        "commit another model",
        SubmissionStage.FAILED: "its newest round could not score it; see the reason, "
        "which also says whose fault it was",
        SubmissionStage.DUPLICATE: "an earlier commitment holds the same tensors; train further",
        SubmissionStage.REJECTED: "it breaks a rule, permanently; see the reason, and commit "
        "another model",
    }
)
_OF_VERDICTS: Mapping[Verdict, SubmissionStage] = MappingProxyType(
    {
        Verdict.SCORED: SubmissionStage.CHALLENGER,
        Verdict.DUPLICATE: SubmissionStage.DUPLICATE,
        Verdict.REJECTED: SubmissionStage.REJECTED,
        Verdict.WAITING: SubmissionStage.WAITING,
        Verdict.FAILED: SubmissionStage.FAILED,
    }
)


def stage_of_verdict(verdict: Verdict) -> SubmissionStage:
    """Return the stage of an entry without the crown from its verdict in a round."""
    return _OF_VERDICTS[verdict]
