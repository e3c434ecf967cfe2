"""Writing, reading and checking of a validator's statements on whole rounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from pydantic import TypeAdapter, ValidationError

import sn37
from sn37.app.receipts.signing import VerifySignature, is_signed
from sn37.domain.ids import Digest, EntryKey, Netuid, TaskName
from sn37.domain.printable import one_line
from sn37.domain.records.receipt import SignedReceipt
from sn37.domain.records.statement import RoundStatement, as_stated, is_as_committed
from sn37.domain.round.contender_places import MAX_CONTENDERS
from sn37.domain.round.state import OpenRound, Premises, RoundResult
from sn37.domain.schedule.methods import Method
from sn37.domain.schedule.schedule import WINDOW_ROUNDS
from sn37.domain.scoring.controls import controls_in
from sn37.domain.submission.submission import Submission, Verdict
from sn37.ports.chain import Signer
from sn37.wrong_values import reason

VERSION = 2  # version 1: rounds of the first rule, without controls and second opinions
LATER_VERSION = 3  # only missed rounds that were scored later
SCREENED_VERSION = 4  # rounds whose rows a base model screened
DEFENCES_VERSION = 5  # rounds that count missed defences and name contenders, screened or not
_VERSIONS = (1, VERSION, LATER_VERSION, SCREENED_VERSION, DEFENCES_VERSION)
_STATEMENT = TypeAdapter(RoundStatement)


class UnreadableStatement(ValueError):
    """The document is not a statement; the message says why in one line."""


class StatementWriter:
    """Writer of statements on rounds, which it signs with the validator's hotkey."""

    def __init__(self, *, signer: Signer, netuid: Netuid, fingerprint: Digest) -> None:
        self._signer = signer
        self._netuid = netuid
        self._fingerprint = fingerprint

    def write(
        self,
        opened: OpenRound,
        result: RoundResult,
        submissions: Mapping[EntryKey, Submission],
        *,
        receipts: Sequence[SignedReceipt],
        previous: SignedReceipt | None,
    ) -> SignedReceipt:
        """Return the signed statement of a finished round.

        Args:
            opened: The round with the outcomes that were recorded while it ran.
            submissions: As they are after the round.
            receipts: Of the round, in the order in which they were written.
            previous: The statement of the competition's previous round, if any.
        """
        methods = {d.batch.task: d.batch.method for d in opened.plan.draws}
        is_later = result.later is not None
        statement = state_round(
            opened,
            result,
            submissions=_of_interest(opened, submissions),
            receipts=receipts,
            previous=previous,
            netuid=self._netuid,
            fingerprint=self._fingerprint,
            code_version=sn37.__version__,
            version=LATER_VERSION if is_later else version_of(opened, methods),
        )
        document = statement.document()
        return SignedReceipt(
            document=document,
            hotkey=self._signer.hotkey,
            signature=self._signer.sign(digest_of(document).encode()),
        )


def state_round(
    opened: OpenRound,
    result: RoundResult,
    *,
    submissions: Iterable[Submission],
    receipts: Sequence[SignedReceipt],
    previous: SignedReceipt | None,
    netuid: Netuid,
    fingerprint: Digest,
    code_version: str,
    version: int = VERSION,
) -> RoundStatement:
    """Return the statement on a recorded round."""
    plan = opened.plan
    return RoundStatement(
        version=version,
        netuid=netuid,
        key=plan.key,
        sync=plan.sync,
        previous=None if previous is None else digest_of(previous.document),
        champion=plan.champion,
        winner=result.champion,
        entries=plan.entries,
        listed=plan.listed,
        unreadable=plan.unreadable,
        unprobed=plan.unprobed,
        manifest_digest=plan.manifest_digest,
        outcomes=tuple(opened.outcomes.values()),
        submissions=tuple(submissions),
        receipts=tuple(digest_of(r.document) for r in receipts),
        schedule_fingerprint=fingerprint,
        code_version=code_version,
        opinions=tuple(opened.opinions.values()),
        premises=plan.premises,
        later=result.later,
        screenings=plan.screenings,
    )


def version_of(opened: OpenRound, methods: Mapping[TaskName, Method]) -> int:
    """Return the statement version of a round.

    It is 1 for a round that an older version opened and whose rules still apply, else 5. For
    rounds opened before defences were counted it is 2, or 4 if a base model screened the rows.
    """
    premises = opened.plan.premises
    if opened.plan.signers is None or premises is None:
        return 1
    scored = (k for k, o in opened.outcomes.items() if o.verdict is Verdict.SCORED)
    blocks = (opened.journal.get(key, ()) for key in scored)
    if any(controls_in(held, methods) is None for held in blocks):
        return 1
    if premises.missed_defences is not None:
        return DEFENCES_VERSION
    return VERSION if opened.plan.screenings is None else SCREENED_VERSION


def read_statement(signed: SignedReceipt, verify: VerifySignature) -> RoundStatement:
    """Return the statement in an untrusted signed document.

    Raises:
        UnreadableStatement: It is not a statement, not in its canonical form, not signed by the
            given hotkey, or contradicts itself.
    """
    try:
        statement = _STATEMENT.validate_json(signed.document, strict=True)
        is_canonical = statement.document() == signed.document
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = one_line(".".join(map(str, problem["loc"])))[:80]
        raise UnreadableStatement(f"not a statement: {where}: {reason(problem)}") from error
    except ValueError as error:  # a text that cannot be encoded
        raise UnreadableStatement(f"not a statement: {one_line(str(error))}") from error
    is_first = statement.version == 1
    is_screened, premises = statement.screenings is not None, statement.premises or Premises()
    is_fifth = statement.version == DEFENCES_VERSION
    if (
        not is_canonical
        or statement.version not in _VERSIONS
        or (statement.version == LATER_VERSION) != (statement.later is not None)
        or (statement.version == SCREENED_VERSION and not is_screened)
        or (is_screened and statement.version not in (SCREENED_VERSION, DEFENCES_VERSION))
        or is_fifth != (premises.missed_defences is not None)
        or is_fifth != (premises.contenders is not None)
        or is_first != (statement.premises is None)
    ):
        raise UnreadableStatement("not a statement as this version writes them")
    if not is_signed(signed, verify):
        raise UnreadableStatement(f"not signed by {one_line(signed.hotkey)}")
    if (fault := _contradiction(statement)) is not None:
        raise UnreadableStatement(fault)
    return statement


def digest_of(document: bytes) -> Digest:
    """Return the hex sha256 of a document, which is signed and by which statements name it."""
    return Digest(sha256(document).hexdigest())


def _of_interest(
    opened: OpenRound, submissions: Mapping[EntryKey, Submission]
) -> Iterable[Submission]:
    plan = opened.plan
    awaited = plan.premises.awaited if plan.premises is not None else ()
    others = (row.key for row in plan.listed if row.key not in awaited)
    changed = (k for k in others if k in submissions and not is_as_committed(submissions[k]))
    return (as_stated(submissions[key]) for key in (*plan.entries, *awaited, *changed))


def _contradiction(statement: RoundStatement) -> str | None:
    """Return a contradiction in a statement, if any, which no real round can have."""
    entries, outcomes = set(statement.entries), [o.key for o in statement.outcomes]
    known = [s.commitment.key for s in statement.submissions]
    scored = [o for o in statement.outcomes if o.verdict is Verdict.SCORED]
    if statement.key.sync_block != statement.sync.number:
        return "its block is not its sync block"
    if len(entries) != len(statement.entries) or sorted(outcomes) != sorted(entries):
        return "its outcomes are not those of its entries"
    if len(scored) != len(statement.receipts):
        return f"{len(scored)} entries were scored, {len(statement.receipts)} receipts are named"
    premises = statement.premises or Premises()
    awaited = set(premises.awaited)
    if len(awaited) != len(premises.awaited) or awaited & entries:
        return "it waits for an entry twice, or for an entry that took part"
    if premises.num_judged < 0 or any(
        not key.block <= clock <= statement.key.sync_block for key, clock in premises.clocks
    ):
        return "a clock began before its commitment or after the round"
    if not 0 <= (premises.missed_defences or 0) < WINDOW_ROUNDS:
        return f"its champion missed {premises.missed_defences} rounds"
    if premises.contenders is not None and (
        fault := _unlike_contenders(statement, premises.contenders)
    ):
        return fault
    if any(s.failures < 0 or s.missed_rounds < 0 for s in statement.submissions):
        return "a count of failures or missed rounds is negative"
    if len(set(known)) != len(known) or not entries | awaited <= set(known):
        return "it does not list every entry exactly once"
    asked = [o.key for o in statement.opinions]
    if len(set(asked)) != len(asked) or not set(asked) <= {o.key for o in scored}:
        return "its second opinions are not on entries that were scored"
    if not {statement.champion, statement.winner} <= {*entries, None}:
        return "its champion did not take part"
    if statement.later is not None and (fault := _verdict_of_a_missed_round(statement)):
        return fault
    for s in statement.submissions:
        if s.commitment.block > min(s.clock_block, statement.key.sync_block):
            return f"{one_line(s.commitment.hotkey)} committed after it, or after its clock began"
    return None


def _unlike_contenders(statement: RoundStatement, contenders: tuple[EntryKey, ...]) -> str | None:
    """Return a fault of the contenders that a statement names, if any."""
    named = {*contenders}
    if len(named) != len(contenders) or len(named) > MAX_CONTENDERS:
        return f"it names {len(contenders)} contenders, or one twice"
    if not named <= {*statement.entries} - {statement.champion}:
        return "one of its contenders is its champion, or did not take part"
    late = {o.key for o in statement.outcomes if o.verdict is Verdict.WAITING}
    if late & {*named, statement.champion}:
        return "it had no time for its champion or for a contender"
    return None


def _verdict_of_a_missed_round(statement: RoundStatement) -> str | None:
    """Return a part of a statement that a round scored later must not have, if any."""
    if statement.winner is not None or statement.champion is not None:
        return "it crowns an entry in a round that was missed"
    if statement.premises != Premises() or statement.opinions or statement.previous is not None:
        return "it has the premises of a verdict for a round that was missed"
    if any(o.reason is not None for o in statement.outcomes if o.verdict is Verdict.SCORED):
        return "it stops an entry early in a round that was missed"
    return None
