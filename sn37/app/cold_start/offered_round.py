"""Reading of one offered round from untrusted files: signed, complete, of this subnet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sn37.app.audit.receipt_checks import check_receipts, check_screening
from sn37.app.audit.soundness import StrayControls, by_block, check_soundness
from sn37.app.receipts.files import UnreadableReceipt, read_receipt, read_signed
from sn37.app.receipts.signing import VerifySignature
from sn37.app.receipts.statements import UnreadableStatement, digest_of, read_statement
from sn37.app.replay.rescore import CannotRescore, blocks_of, require_manifest
from sn37.domain.data.batches import BLOCK_SAMPLES, SampleBlock
from sn37.domain.ids import Digest, EntryKey, Hotkey, RoundKey, TaskName
from sn37.domain.reasons import Reason
from sn37.domain.records.receipt import Receipt, SignedReceipt
from sn37.domain.records.statement import RoundStatement, SignedRound
from sn37.domain.round.evidence import is_finite
from sn37.domain.round.signers import SampleSigners
from sn37.domain.round.state import EntryOutcome, OpenRound
from sn37.domain.schedule.competition import Competition
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.scoring.choices import choice_tasks
from sn37.domain.scoring.jobs import BlockLosses, ControlLoss
from sn37.domain.submission.submission import Submission, Verdict
from sn37.ports.chain import Chain
from sn37.ports.errors import OfferRefused
from sn37.ports.receipt_source import OfferedRound


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRound:
    """A round whose documents agree with each other, with the schedule and with the chain."""

    statement: RoundStatement
    rules: Competition
    opened: OpenRound  # with the losses of the receipts
    published: SignedRound

    @property
    def submissions(self) -> Mapping[EntryKey, Submission]:
        """Return the submissions as they are after the round."""
        return {s.commitment.key: s for s in self.statement.submissions}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedManifest:
    """Rows and entries of an offered round. Its results are not read."""

    statement: RoundStatement
    signer: Hotkey
    rules: Competition
    receipt: Receipt  # any receipt of the round; only its manifest is used


class RoundReader:
    """Reader of rounds that another validator offers. Every fault raises ``OfferRefused``."""

    def __init__(
        self, *, chain: Chain, schedule: Schedule, fingerprint: Digest, verify: VerifySignature
    ) -> None:
        self._chain = chain
        self._schedule = schedule
        self._fingerprint = fingerprint
        self._verify = verify

    async def read(self, key: RoundKey, offered: OfferedRound) -> ReadRound:
        """Return the round that was offered as ``key``.

        Raises:
            OfferRefused: Says what is wrong, and where.
            ChainUnavailable: Its sync block cannot be looked up.
        """
        where = str(key)
        rules = self._rules(key)
        try:
            signed, statement = await self._statement(key, offered)
            receipts = _in_order(statement, offered.receipts)
            opened = _opened(statement, receipts, rules)
        except (UnreadableReceipt, UnreadableStatement, CannotRescore, StrayControls) as error:
            raise OfferRefused(f"{where}: {error}") from error
        except OfferRefused as error:
            raise OfferRefused(f"{where}: {error}") from error
        published = SignedRound(
            key=key, statement=signed, receipts=tuple(signed for _, signed in receipts)
        )
        for receipt in published.receipts:
            if receipt.hotkey != signed.hotkey:
                raise OfferRefused(f"{where}: a receipt is signed by another validator")
        read = ReadRound(statement=statement, rules=rules, opened=opened, published=published)
        for difference in check_receipts(
            opened,
            published.receipts,
            rules=rules,
            submissions=read.submissions,
            fingerprint=self._fingerprint,
            verify=self._verify,
        ):
            raise OfferRefused(str(difference))
        for difference in check_screening(opened, _manifest(receipts), rules):
            raise OfferRefused(str(difference))
        if statement.version > 1:
            for difference in check_soundness(where, opened, rules, statement.winner):
                raise OfferRefused(str(difference))
        return read

    async def read_manifest(self, key: RoundKey, offered: OfferedRound) -> OfferedManifest:
        """Return the rows of the round that was offered as ``key``, and its entries.

        Losses are not checked: one receipt with the statement's manifest is enough.

        Raises:
            OfferRefused: Its statement is not of this network, or no receipt has its manifest.
            ChainUnavailable: Its sync block cannot be looked up.
        """
        rules = self._rules(key)
        try:
            signed, statement = await self._statement(key, offered)
        except (UnreadableReceipt, UnreadableStatement, OfferRefused) as error:
            raise OfferRefused(f"{key}: {error}") from error
        why = "it has no receipts"
        for data in sorted(offered.receipts):
            try:
                receipt, _ = read_receipt(data)
                require_manifest(receipt, rules)
            except (UnreadableReceipt, CannotRescore) as error:
                why = str(error)
                continue
            if receipt.manifest_digest == statement.manifest_digest:
                return OfferedManifest(
                    statement=statement, signer=signed.hotkey, rules=rules, receipt=receipt
                )
            why = "its receipts have another manifest than its statement"
        raise OfferRefused(f"{key}: {why}")

    def _rules(self, key: RoundKey) -> Competition:
        rules = self._schedule.competition(key.competition, key.sync_block)
        if rules is None or self._schedule.timing.sync_block(key.sync_block) != key.sync_block:
            raise OfferRefused(f"{key}: the schedule has no such round")
        return rules

    async def _statement(
        self, key: RoundKey, offered: OfferedRound
    ) -> tuple[SignedReceipt, RoundStatement]:
        signed = read_signed(offered.statement)
        statement = read_statement(signed, self._verify)
        await self._require_this_network(key, statement)
        return signed, statement

    async def _require_this_network(self, key: RoundKey, statement: RoundStatement) -> None:
        if statement.key != key:
            raise OfferRefused(f"its statement is of {statement.key!s}")
        if statement.netuid != self._schedule.netuid:
            raise OfferRefused(f"it is of subnet {statement.netuid}")
        if statement.schedule_fingerprint != self._fingerprint:
            raise OfferRefused("it was scored by another schedule; compare sn37 versions")
        head = (await self._chain.head()).number
        clocks = (s.clock_block for s in statement.submissions)  # may restart after the round
        later = () if statement.later is None else (statement.later.at, statement.later.after)
        if max([key.sync_block, *clocks, *later]) > head:
            raise OfferRefused("its block, or one that it mentions, does not exist yet")
        if statement.sync != await self._chain.block(key.sync_block):
            raise OfferRefused("its block is not on this chain; it is of another network")


def _in_order(
    statement: RoundStatement, files: Iterable[bytes]
) -> tuple[tuple[Receipt, SignedReceipt], ...]:
    """Return the receipts that the statement names, in its order.

    Raises:
        OfferRefused: A receipt is missing, or there is one more.
        UnreadableReceipt: A file is not a receipt.
    """
    found: dict[Digest, tuple[Receipt, SignedReceipt]] = {}
    for data in files:
        receipt, signed = read_receipt(data)
        if signed is None:
            raise OfferRefused("a receipt without a signature")
        digest = digest_of(signed.document)
        if digest not in statement.receipts or digest in found:
            raise OfferRefused(
                f"the receipt of {receipt.commitment.hotkey} is not in its statement"
            )
        found[digest] = (receipt, signed)
    if missing := [digest for digest in statement.receipts if digest not in found]:
        raise OfferRefused(f"{len(missing)} of {len(statement.receipts)} receipts are missing")
    return tuple(found[digest] for digest in statement.receipts)


def _manifest(
    receipts: Sequence[tuple[Receipt, SignedReceipt]],
) -> Mapping[TaskName, tuple[tuple[str, Digest], ...]]:
    """Return the rows of the receipts; empty if no entry was scored."""
    return receipts[0][0].manifest if receipts else {}


def _opened(
    statement: RoundStatement,
    receipts: Iterable[tuple[Receipt, SignedReceipt]],
    rules: Competition,
) -> OpenRound:
    """Return the round as it was when all entries had an outcome.

    Raises:
        CannotRescore: A receipt does not have the samples that the competition draws.
        OfferRefused: A receipt is of an entry that was not scored or only partly, or receipts name
            different signers.
    """
    scored = [o for o in statement.outcomes if o.verdict is Verdict.SCORED]
    journal: dict[EntryKey, tuple[BlockLosses, ...]] = {}
    environments: dict[EntryKey, Mapping[str, str]] = {}
    signers: SampleSigners | None = None
    total = sum(task.num_samples for task in rules.tasks)
    for outcome, (receipt, _) in zip(scored, receipts, strict=True):
        if receipt.commitment.key != outcome.key:
            raise OfferRefused("its receipts are not in the order of its outcomes")
        scored_blocks = blocks_of(receipt, rules)
        controls = by_block(receipt.controls, scored_blocks, rules, statement.manifest_digest)
        if set(receipt.num_right) != {t for t in choice_tasks(rules) if receipt.losses[t]}:
            raise OfferRefused(f"{outcome.key.hotkey}: right answers of other tasks than it has")
        if set(receipt.answers) != {t for t in rules.answer_budgets if receipt.losses[t]}:
            raise OfferRefused(
                f"{outcome.key.hotkey}: counts of answers to other tasks than it has"
            )
        blocks = tuple(losses_in(receipt, block, controls[block]) for block in scored_blocks)
        _require_whole(outcome, blocks, total)
        journal[outcome.key] = blocks
        environments[outcome.key] = receipt.environment
        if outcome is not scored[0] and receipt.signers != signers:
            raise OfferRefused("its receipts disagree on who signed the samples")
        signers = receipt.signers
    return OpenRound(
        plan=replace(statement.plan(), signers=signers),
        journal=journal,
        outcomes={o.key: o for o in statement.outcomes},
        environments=environments,
        opinions={opinion.key: opinion for opinion in statement.opinions},
    )


def _require_whole(outcome: EntryOutcome, blocks: tuple[BlockLosses, ...], total: int) -> None:
    hotkey = outcome.key.hotkey
    if outcome.reason not in (None, Reason.RACED_OUT):
        raise OfferRefused(f"{hotkey} was scored, but has the reason {outcome.reason}")
    if sum(len(b.losses) for b in blocks) < total and outcome.reason is None:
        raise OfferRefused(f"{hotkey} was scored on a part of the samples without being raced out")
    if not is_finite(blocks):
        raise OfferRefused(f"{hotkey} was scored with a loss that is not a number")


def losses_in(
    receipt: Receipt, block: SampleBlock, controls: tuple[ControlLoss, ...]
) -> BlockLosses:
    """Return the losses of one block. Receipts do not record token counts or times."""
    right, answers = receipt.num_right.get(block.task), receipt.answers.get(block.task)
    number = block.first // BLOCK_SAMPLES
    return BlockLosses(
        block=block,
        losses=receipt.losses[block.task][block.first : block.stop],
        tokens=0,
        seconds=0.0,
        controls=controls,
        num_right=None if right is None else right[number],
        answers=None if answers is None else answers[number],
    )
