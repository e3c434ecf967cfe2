"""The operations of the JSON interface: their addresses, and what they return."""

from __future__ import annotations

from dataclasses import dataclass

from sn37.app.leaderboard.views import (
    CompetitionView,
    MinerView,
    Overview,
    RoundList,
    RoundView,
    SubmissionList,
    SubmissionView,
    ValidatorView,
)

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One address of the interface."""

    path: str  # with the names of its parameters in braces
    summary: str
    model: type | None  # of what it returns; ``None`` for a signed document


OVERVIEW = Operation(path="/overview", summary="All competitions in a few numbers", model=Overview)
COMPETITION = Operation(
    path="/competitions/{competition}",
    summary="One competition: crowns, standings, field, rules; page counts its reigns",
    model=CompetitionView,
)
ROUNDS = Operation(
    path="/competitions/{competition}/rounds",
    summary="Finished rounds of a competition, the newest first, 50 a page",
    model=RoundList,
)
ROUND = Operation(
    path="/competitions/{competition}/rounds/{block}",
    summary="One round: entries, draws, progress while it is open",
    model=RoundView,
)
STATEMENT = Operation(
    path="/competitions/{competition}/rounds/{block}/statement",
    summary="The validator's signed statement on a round",
    model=None,
)
RECEIPT = Operation(
    path="/competitions/{competition}/rounds/{block}/receipts/{hotkey}/{committed}",
    summary="The signed receipt of one entry, for sn37 replay",
    model=None,
)
SUBMISSIONS = Operation(
    path="/submissions",
    summary="Submissions, the newest first, 50 a page; of one competition, or found by hotkey, uid",
    model=SubmissionList,
)
SUBMISSION = Operation(
    path="/submissions/{hotkey}/{block}",
    summary="One submission: status, evidence, timeline of 20 rounds a page",
    model=SubmissionView,
)
MINER = Operation(
    path="/miners/{hotkey}", summary="A miner: weight, crowns, submissions", model=MinerView
)
VALIDATOR = Operation(
    path="/validator",
    summary="The validator whose record this is; its weights against consensus, and others",
    model=ValidatorView,
)
OPERATIONS = (
    *(OVERVIEW, COMPETITION, ROUNDS, ROUND, STATEMENT, RECEIPT),
    *(SUBMISSIONS, SUBMISSION, MINER, VALIDATOR),
)
