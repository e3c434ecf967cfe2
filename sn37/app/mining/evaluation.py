"""Result of an evaluation against the champion, in numbers and in a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from sn37.domain.ids import BLOCK_SECONDS, Block
from sn37.domain.round.comparing import measure
from sn37.domain.round.evidence import Evidence, total_score
from sn37.domain.round.near_duplicates import NEAR
from sn37.domain.round.racing import is_hopeless
from sn37.domain.round.rounds_to_crown import Outlook, Rate, constant, outlook, rate_of
from sn37.domain.round.signers import Origin
from sn37.domain.round.state import TaskScore
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.epsilon import Epsilon
from sn37.domain.schedule.schedule import RoundTiming
from sn37.domain.submission.commitment import Commitment
from sn37.domain.submission.constraints import Violation
from sn37.domain.submission.models import ModelArtifact

BLOCKS_A_DAY = 86_400 // BLOCK_SECONDS
SHOWN_DAYS = 8  # today and a week


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One coming day: the champion's margin then, and the outlook under that margin."""

    in_days: int
    epsilon: float
    outlook: Outlook  # if epsilon were the same in every round


@dataclass(frozen=True, slots=True, kw_only=True)
class Duel:
    """The model against the champion, on the same samples."""

    champion: Commitment
    known_from: str  # how we know that it is the champion, for people
    champion_tasks: tuple[TaskScore, ...]
    rate: Rate  # gain shown by a round, with its standard error
    log_e: float  # evidence of these samples alone; ln(1e6) = 13.8 takes a crown
    is_hopeless: bool  # a validator would stop it early and retire it
    distance: float  # between the losses; a small one flags near-duplicates; see resemblance
    epsilon: float  # margin now
    epsilon_end: float
    outlook: Outlook  # with the epsilon of each coming round
    days: tuple[Day, ...]

    @property
    def champion_score(self) -> float:
        return total_score(self.champion_tasks)

    @property
    def is_near_duplicate(self) -> bool:
        return self.distance < NEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Findings of a validator; the parts that it would not reach are ``None``."""

    rules: Competition
    block: Block  # whose hash seeded the draw
    artifact: ModelArtifact | None = None  # if admitted
    refusal: Violation | None = None
    same_as: Commitment | None = None  # the champion, if it has the very same weights
    tasks: tuple[TaskScore, ...] = ()  # if scored
    num_samples: int = 0
    num_left_out: int = 0  # rows not drawn because the model was trained on them
    period: tuple[datetime, datetime] | None = None  # times of the oldest and the newest sample
    scoring_s: float = 0.0  # time on this machine, without loading the model
    duel: Duel | None = None  # ``None`` also without a champion
    first_round: Block | None = None  # the first sync block that would score it

    @property
    def score(self) -> float | None:
        return total_score(self.tasks) if self.tasks else None

    @property
    def finding(self) -> str:
        """Conclusion of the evaluation, as a sentence."""
        if self.refusal is not None:
            reason, detail = self.refusal.reason, self.refusal.detail
            return f"a validator would refuse it: {reason.value}: {detail}; {reason.remedy}"
        if self.same_as is not None:
            return (
                "the same model: its weights equal the champion's, byte for byte; a validator "
                "would list it as a duplicate and never crown it"
            )
        if self.duel is None:
            return "no champion yet: the earliest model that can be scored takes the crown"
        said = _in_words(self.duel)
        if self.duel.is_near_duplicate:
            said += "; a validator would flag it as nearly the champion's model"
        return said


def duel(
    champion: Commitment,
    *,
    known_from: str,
    champion_tasks: tuple[TaskScore, ...],
    evidence: tuple[Evidence, Evidence],
    origins: tuple[Origin, ...] = (),
    distance: float,
    rules: Competition,
    timing: RoundTiming,
    head: Block,
) -> Duel:
    """Compare the two models on one round's evidence, and extrapolate to the coming rounds.

    Args:
        evidence: The champion's and the challenger's.
        origins: Origins of the samples, in the order of scoring.
        distance: Distance of their losses, see ``sn37.domain.round.near_duplicates``.

    Raises:
        ValueError: The champion's loss is zero, so that no model can beat it, or the two differ
            oddly on the rows of most signers.
    """
    (block,) = evidence[1]
    found = measure(*evidence, since=block, epsilon_end=rules.epsilon.end, origins={block: origins})
    if found.is_suspect:
        raise ValueError("the two differ oddly on the rows of most signers")
    rate = rate_of(found.sums, num_samples=sum(t.num_samples for t in rules.tasks))
    first = first_round(rules, timing, head)

    def margin(round_: int) -> float:
        block = Block(first + (round_ - 1) * timing.cadence)
        return rules.epsilon.at(committed=champion.block, now=block)

    return Duel(
        champion=champion,
        known_from=known_from,
        champion_tasks=champion_tasks,
        rate=rate,
        log_e=found.log_e,
        distance=distance,
        is_hopeless=is_hopeless(*evidence, epsilon_end=rules.epsilon.end, origins={block: origins}),
        epsilon=rules.epsilon.at(committed=champion.block, now=head),
        epsilon_end=rules.epsilon.end,
        outlook=outlook(rate, margin),
        days=_days(rate, rules.epsilon, committed=champion.block, head=head),
    )


def first_round(rules: Competition, timing: RoundTiming, head: Block) -> Block:
    """Return the first sync block that scores a model committed in the next block."""
    return timing.next_sync_block(Block(head + rules.delay_blocks))


def _days(rate: Rate, epsilon: Epsilon, *, committed: Block, head: Block) -> tuple[Day, ...]:
    """Return today and the coming days, up to the first on which epsilon has its end value."""
    days = []
    for number in range(SHOWN_DAYS):
        then = Block(head + number * BLOCKS_A_DAY)
        margin = epsilon.at(committed=committed, now=then)
        days.append(Day(in_days=number, epsilon=margin, outlook=outlook(rate, constant(margin))))
        if math.isclose(margin, epsilon.end):
            break
    return tuple(days)


def _in_words(found: Duel) -> str:
    gain, error = found.rate.relative_gain, found.rate.relative_error
    seen = f"{abs(gain):.2%} {'better' if gain > 0 else 'worse'} than the champion, "
    seen += f"give or take {error:.2%}"
    if found.is_hopeless:
        return (
            f"{seen}: a validator would stop it early (raced_out) and not score it again; it will "
            "not take the crown"
        )
    if found.outlook.rounds is not None:
        return f"{seen}: at this rate {_rounds(found.outlook)}; {_needed(found)}"
    chance = ""
    if found.outlook.soonest is not None:
        soonest = found.outlook.soonest
        chance = f"; if it were one standard error better, about round {soonest}"
    if gain <= 0:
        return f"{seen}: at this rate it will never take the crown{chance}"
    return (
        f"{seen}: at this rate it will never take the crown, which needs more than "
        f"{found.epsilon_end:.2%}{chance}"
    )


def _rounds(found: Outlook) -> str:
    latest = "never" if found.latest is None else f"{found.latest}"
    if found.soonest == found.latest == found.rounds == 1:
        return "it takes the crown in its first round"
    plural = "round" if found.rounds == 1 else "rounds"
    takes = f"the crown takes about {found.rounds} {plural}"
    if found.soonest == found.latest == found.rounds:
        return takes
    between = "or" if found.latest is None else "to"
    return f"{takes} ({found.soonest} {between} {latest})"


def _needed(found: Duel) -> str:
    if math.isclose(found.epsilon, found.epsilon_end):
        return f"a gain below {found.epsilon:.2%} would never take it"
    return (
        f"epsilon is {found.epsilon:.2%} today and falls to {found.epsilon_end:.2%}, below which "
        "a gain would never take it"
    )
