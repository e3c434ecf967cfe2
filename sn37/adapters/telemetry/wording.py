"""Lines of text for events; events of progress have none.

A line begins with a word that names its kind, ten columns wide, then says what it is about, then
what happened, the most important first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import singledispatch
from math import isfinite

from sn37.domain import events
from sn37.domain.ids import EntryKey, Hotkey
from sn37.domain.printable import printable
from sn37.domain.reasons import Reason
from sn37.domain.round.state import ColdStart, EntryResult, RoundResult, right_answers
from sn37.domain.submission.submission import Verdict

Labels = Mapping[Hotkey, str]

_ADDRESS = re.compile(r"\b5[1-9A-HJ-NP-Za-km-z]{47}\b")  # ss58 of Bittensor


def miner(hotkey: Hotkey, labels: Labels) -> str:
    """Return a hotkey's label, or the two ends of its ss58 address."""
    if label := labels.get(hotkey):
        return printable(label)
    return printable(f"{hotkey[:6]}..{hotkey[-4:]}" if len(hotkey) > 12 else hotkey)


def named(text: str, labels: Labels) -> str:
    """Return a text with hotkeys replaced by miners' names, see ``miner``."""
    return _ADDRESS.sub(lambda found: miner(Hotkey(found[0]), labels), printable(text))


def entry(key: EntryKey, labels: Labels) -> str:
    return f"{miner(key.hotkey, labels)}@{key.block}"


def score_text(result: EntryResult) -> str:
    """Return an entry's score, and in brackets its accuracy in each task with questions."""
    if result.score is None:
        return "-"
    shares = [f"{t.accuracy:.0%}" for t in result.tasks if t.accuracy is not None]
    return f"{result.score:.4f}" + (f" ({', '.join(shares)})" if shares else "")


def why(reason: Reason | None, detail: str, labels: Labels) -> str:
    """Return a reason with its detail, or else with the meaning of its code."""
    found = named(detail, labels)
    return found if reason is None else f"{reason.value}: {found or reason.meaning}"


def counted(number: int, what: str) -> str:
    """Return a number with its noun, which forms its plural with an s."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def duration(seconds: float) -> str:
    """Return a time for people, like "40 s", "12 min" or "5 h 10 min"."""
    if seconds < 60:
        return f"{max(seconds, 0.0):.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"


def gain(result: RoundResult, holder: EntryKey | None) -> float | None:
    """Return the share by which a new champion's score of this round is lower than the former's."""
    scores = {e.key: e.score for e in result.entries}
    if holder is None or result.champion is None or holder == result.champion:
        return None
    new, old = scores.get(result.champion), scores.get(holder)
    if new is None or not old or not isfinite(new) or not isfinite(old):
        return None
    return 1 - new / old


def change(lower: float) -> str:
    """Return a ``gain`` in words; it may be negative, because earlier rounds count too."""
    return f"{abs(lower):.2%} {'lower' if lower >= 0 else 'higher'}"


def crown(result: RoundResult, holder: EntryKey | None, labels: Labels) -> str:
    """Return who has the crown after a round, with its score of the round.

    After a change also by how much it is lower than that of the ``holder`` before the round.
    """
    if result.champion is None:
        return "no champion"
    found = next((e for e in result.entries if e.key == result.champion), None)
    does = "keeps" if result.champion == holder else "takes"
    said = f"{entry(result.champion, labels)} {does} the crown"
    if found is not None and found.score is not None:
        said += f" with {found.score:.4f}"
    if holder is not None and (lower := gain(result, holder)) is not None:
        said += f", {change(lower)} than {miner(holder.hotkey, labels)}"
    return said


def set_up(event: events.SetUpAdvanced) -> str:
    """Return the line of a step of the set-up; not every step is said."""
    return f"set-up    {printable(event.what)}: {event.done} of {event.total}"


def following(event: events.HeadAdvanced) -> str:
    """Return the line of a head; most heads are not said."""
    left = event.next_sync - event.head.number
    when = f"at {event.next_sync} in {counted(left, 'block')}"
    return f"following block {event.head.number}, next round {when}"


def recovered(what: str, after: timedelta | None) -> str:
    """Return the line of the end of an outage, with its length if that is known."""
    lasted = "" if after is None else f" after {duration(after.total_seconds())}"
    return f"recovered {printable(what)}{lasted}"


@singledispatch
def line(event: events.Event, labels: Labels) -> str | None:
    """Return the line for an event; ``None`` for progress, which bars and counters show."""
    return None


@line.register
def _(event: events.ValidatorStarted, labels: Labels) -> str:
    place = "simnet" if event.network == "simnet" else f"{event.network}, netuid {event.netuid}"
    return (
        f"started   sn37 {event.version} on {place}: schedule {event.fingerprint[:16]}, "
        f"hotkey {event.hotkey}, {counted(event.num_rounds, 'round')} recorded"
    )


@line.register
def _(event: events.ValidatorStopped, labels: Labels) -> str:
    return f"stopped   {printable(event.why)}"


@line.register
def _(event: events.WorkersConfined, labels: Labels) -> str:
    missing = f"; this host lacks {', '.join(event.missing)}: sn37 doctor" if event.missing else ""
    return f"sandbox   {event.sandbox}{missing}"


@line.register
def _(event: events.LeaderboardServed, labels: Labels) -> str:
    return f"pages     {event.address}"


@line.register
def _(event: events.SubmissionSeen, labels: Labels) -> str:
    return f"seen      {entry(event.key, labels)}: {printable(event.repo)}"


@line.register
def _(event: events.SubmissionFetched, labels: Labels) -> str:
    return f"fetched   {entry(event.key, labels)}: {event.size_bytes / 2**20:,.1f} MiB, verified"


@line.register
def _(event: events.SubmissionRefused, labels: Labels) -> str:
    return f"refused   {entry(event.key, labels)}: {why(event.reason, event.detail, labels)}"


@line.register
def _(event: events.PoolFrozen, labels: Labels) -> str:
    where = event.round
    return f"frozen    {where}: {event.num_rows:,} rows for {printable(event.task)}"


@line.register
def _(event: events.RowsSetAside, labels: Labels) -> str:
    where = f"{event.round}: {event.num_rows:,} rows for {printable(event.task)}"
    return f"set aside {where}, {printable(event.why)}"


@line.register
def _(event: events.RoundOpened, labels: Labels) -> str:
    plan = event.plan
    num_samples = sum(len(draw.batch.samples) for draw in plan.draws)
    champion = entry(plan.champion, labels) if plan.champion else "none"
    return (
        f"opened    {plan.key}: {counted(len(plan.entries), 'model')}, "
        f"{num_samples} samples each, champion {champion}"
    )


@line.register
def _(event: events.EntryStarted, labels: Labels) -> str | None:
    if not event.num_resumed:
        return None
    return (
        f"resumed   {entry(event.key, labels)}: "
        f"{event.num_resumed} of {event.num_blocks} blocks were scored before the restart"
    )


@line.register
def _(event: events.EntryFinished, labels: Labels) -> str:
    result = event.result
    said = [f"{result.verdict.value:<9} {entry(result.key, labels)}:"]
    if result.score is not None:
        scored = f"{result.score:.4f} on {result.num_samples} samples"
        said.append(", ".join(filter(None, (scored, right_answers(result.tasks)))))
    if result.reason is not None or result.verdict is not Verdict.SCORED:
        said.append(why(result.reason, result.detail, labels))
    return " ".join(said)


@line.register
def _(event: events.SecondOpinionGiven, labels: Labels) -> str:
    opinion = event.opinion
    found = f"{opinion.view.value} on {len(opinion.samples)} samples"
    if opinion.detail:
        found = f"{opinion.view.value}: {named(opinion.detail, labels)}"
    return f"checked   {entry(opinion.key, labels)}: second implementation {found}"


@line.register
def _(event: events.RoundFinished, labels: Labels) -> str:
    result = event.result
    if result.skipped is not None:
        return f"skipped   {result.key}: {why(result.skipped, '', labels)}"
    return f"finished  {result.key}: {crown(result, event.holder, labels)}"


@line.register
def _(event: events.RoundSatOut, labels: Labels) -> str:
    return f"sat out   {event.round}: {why(event.reason, event.detail, labels)}"


@line.register
def _(event: events.RoundScoredLater, labels: Labels) -> str:
    result = event.result
    num_scored = sum(e.verdict is Verdict.SCORED for e in result.entries)
    whose = miner(result.later.source, labels) if result.later is not None else "another"
    return (
        f"caught up {result.key}: missed, {num_scored} entries scored later on the "
        f"samples of {whose}; evidence from the next round on"
    )


@line.register
def _(event: events.WeightsSubmitted, labels: Labels) -> str:
    shares = sorted(event.weights.shares.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{miner(hotkey, labels)} {share:.3f}" for hotkey, share in shares if share)
    return f"weights   after block {event.sync_block}: {shown} (extrinsic {event.extrinsic})"


@line.register
def _(event: events.WeightsOverdue, labels: Labels) -> str:
    newest = "none yet" if event.newest is None else f"the newest are of block {event.newest}"
    return f"overdue   weights since block {event.since}; {newest}"


@line.register
def _(event: events.DiskLow, labels: Labels) -> str:
    return f"disk low  {event.free_bytes / 2**20:,.0f} MiB free; make room"


@line.register
def _(event: events.ColdStarted, labels: Labels) -> str:
    begun, source = event.beginning, event.beginning.source
    of = f" of {miner(source, labels)}" if source is not None else ""
    match begun.way:
        case ColdStart.RECEIPTS:
            how = (
                f"{event.num_rounds} rounds{of} adopted, {event.num_evaluations} receipts re-scored"
            )
        case ColdStart.MANIFESTS:
            how = f"{event.num_rounds} rounds{of} scored and judged again here"
        case ColdStart.NOTHING:
            how = "without earlier rounds; the weights on chain stay during the warm-up"
        case ColdStart.FIRST:
            how = "no validator has set weights yet"
    return f"began     at block {begun.block}: {how}"


@line.register
def _(event: events.WarmingUp, labels: Labels) -> str:
    left = ", ".join(f"{n} of competition {c}" for c, n in sorted(event.rounds_left.items()))
    return f"warm-up   no weights yet, rounds left to judge: {left}"


@line.register
def _(event: events.SharesWithheld, labels: Labels) -> str:
    reasons = sorted(event.reasons.items())
    shown = "; ".join(f"{miner(hotkey, labels)} {named(why, labels)}" for hotkey, why in reasons)
    return f"withheld  {shown}"


@line.register
def _(event: events.WeightsRevealed, labels: Labels) -> str:
    became = f"have no effect: {printable(event.fault)}" if event.fault else "are revealed"
    return f"revealed  weights of extrinsic {event.extrinsic} {became}"


@line.register
def _(event: events.HeldBack, labels: Labels) -> str:
    return f"waiting   {printable(event.what)} until block {event.until_block}: {event.why}"


@line.register
def _(event: events.Cautioned, labels: Labels) -> str:
    return f"caution   {printable(event.what)}: {printable(event.advice)}"


@line.register
def _(event: events.ViewAged, labels: Labels) -> str:
    return f"outdated  block {event.head.number} is the newest known, {event.age_s:.0f} s old"


@line.register
def _(event: events.Degraded, labels: Labels) -> str:
    return (
        f"degraded  {printable(event.what)}: {printable(event.error)}; "
        f"again in {event.retry_in_s:.0f} s"
    )
