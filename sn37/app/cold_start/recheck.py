"""Scoring a part of an offered history again, on this machine and with its own samples.

Checks the receipts that decide its crowns, and a random share of the rest.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Mapping
from hashlib import sha256

from sn37.app.cold_start.offered_history import OfferedHistory
from sn37.app.cold_start.resampling import CannotRecheck, Resampler, require_drawn
from sn37.app.receipts.files import read_receipt
from sn37.app.receipts.statements import digest_of
from sn37.app.replay.rescore import CannotRescore, MissingSamples, batches_of, rescore
from sn37.app.replay.rescored import Agreement
from sn37.app.rounds.model_fetch import fetch_model
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.domain.events import SetUpAdvanced
from sn37.domain.ids import BlockRef, EntryKey, Hotkey, RoundKey
from sn37.domain.known_facts import known
from sn37.domain.records.receipt import Receipt, SignedReceipt
from sn37.domain.round.signers import signers_of
from sn37.domain.schedule.schedule import Schedule
from sn37.domain.submission.submission import Verdict
from sn37.ports.errors import (
    ModelNotPublic,
    ModelRejected,
    OfferRefused,
    StoreUnavailable,
)
from sn37.ports.model_store import ModelStore
from sn37.ports.scorer import Scorer
from sn37.ports.telemetry import EventSink

SHARE_PERCENT = 5  # share of the receipts that decide no crown, scored again ...
MIN_RECEIPTS = 8  # ... and the smallest number of them


class Rechecker:
    """Compares a part of an offered history's receipts with losses of this machine.

    Receipts that decide a crown are always included, because one forged receipt at a coronation
    is enough to steal it (attack 58). The others cannot be predicted: they are ranked by a hash
    over the newest block and this validator's hotkey.
    """

    def __init__(
        self,
        *,
        resampler: Resampler,
        models: ModelStore,
        keeper: StateKeeper,
        scorer: Scorer,
        environment: Callable[[], Mapping[str, str]],
        schedule: Schedule,
        sink: EventSink,
    ) -> None:
        self._resampler = resampler
        self._models = models
        self._keeper = keeper
        self._scorer = scorer
        self._environment = environment
        self._schedule = schedule
        self._sink = sink

    async def check(
        self,
        history: OfferedHistory,
        *,
        head: BlockRef,
        hotkey: Hotkey,
        paid: Collection[Hotkey] = (),
    ) -> int:
        """Score a part of its receipts again; return their number.

        A drawn receipt whose samples or model are no longer available is replaced by the next
        one of the draw. A receipt that decides a crown is not replaced.

        Args:
            paid: Hotkeys that the chain pays. The newest receipt of each is always included.

        Raises:
            OfferRefused: A receipt differs from the losses of this machine.
            CannotRecheck: Too few receipts can be scored again.
            ScorerUnavailable: This machine cannot score now.
        """
        # In a thread, because the documents of a long history are gigabytes to hash.
        crowning = await asyncio.to_thread(crowning_receipts, history)
        receipts = await asyncio.to_thread(ranked, history, seed=f"{head.hash}|{hotkey}")
        newest = [r for r in newest_receipts(history, paid) if r not in crowning]
        rest = [r for r in receipts if r not in crowning and r not in newest]
        share = math.ceil(len(rest) * SHARE_PERCENT / 100)
        wanted = len(crowning) + len(newest) + max(share, min(MIN_RECEIPTS, len(rest)))
        num_done, why, outage = 0, "it has no receipts", None
        gone: dict[RoundKey, CannotRecheck] = {}  # rounds whose samples are no longer available
        for receipt in (*crowning, *newest, *rest):
            if num_done == wanted:
                break
            try:
                await self._check(history, read_receipt(receipt.document)[0], gone)
                num_done += 1
            except CannotRecheck as error:
                if receipt in crowning:
                    raise CannotRecheck(
                        f"a receipt that decides a crown cannot be scored again: {error}",
                        outage=error.outage,
                    ) from error
                why, outage = str(error), error.outage or outage
            self._sink.emit(
                SetUpAdvanced(what="receipts scored again", done=num_done, total=wanted)
            )
        if not num_done or num_done < wanted:
            raise CannotRecheck(
                f"{num_done} of {wanted} receipts could be scored again; {why}", outage=outage
            )
        return num_done

    async def _check(
        self, history: OfferedHistory, receipt: Receipt, gone: dict[RoundKey, CannotRecheck]
    ) -> None:
        key, entry = receipt.round, receipt.commitment.key
        where = f"{key}, receipt of {entry.hotkey}"
        rules = known(
            self._schedule.competition(key.competition, key.sync_block),
            "the history was read by this schedule",
        )
        if key in gone:
            raise gone[key]
        try:
            resampled = await self._resampler.read(receipt, rules)
        except CannotRecheck as error:
            gone[key] = error
            raise
        require_drawn(receipt, resampled.draws, where)
        try:
            batches = batches_of(receipt, rules, resampled.rows)
            if receipt.signers is not None and receipt.signers != signers_of(batches):
                raise OfferRefused(f"{where}: its samples have other signers")
            artifact = await fetch_model(
                self._models,
                self._keeper,
                history.submissions[entry].commitment,
                rules.constraints,
            )
            tokenizer = await self._models.tokenizer(rules.tokenizer) if rules.tokenizer else None
            rescored = await rescore(
                receipt,
                rules=rules,
                batches=batches,
                artifact=artifact,
                tokenizer=tokenizer,
                scorer=self._scorer,
                environment=self._environment,
            )
        except (MissingSamples, ModelNotPublic) as error:
            raise CannotRecheck(f"{where}: {error}") from error
        except StoreUnavailable as error:
            raise CannotRecheck(f"{where}: {error}", outage=error) from error
        except (CannotRescore, ModelRejected) as error:
            raise OfferRefused(f"{where}: {error}") from error
        if rescored.agreement is Agreement.BEYOND:
            if not rescored.controls_agree:
                raise OfferRefused(f"{where}: scored again, its controls have other losses")
            first = known(
                rescored.first_beyond or rescored.first, "beyond agreement, some samples differ"
            )
            raise OfferRefused(
                f"{where}: scored again, {first.task} {first.position} has loss "
                f"{first.rescored:.6g}, not {first.recorded:.6g}"
            )


def crowning_receipts(history: OfferedHistory) -> tuple[SignedReceipt, ...]:
    """Return the receipts that decide the current crowns.

    These are the receipts of each champion and of the entry that it took the crown from, in the
    round of the coronation and in the newest judged round.
    """
    found: list[SignedReceipt] = []
    for competition in sorted({r.result.key.competition for r in history.records}):
        judged = [
            r
            for r in history.records
            if r.result.key.competition == competition and r.result.skipped is None
        ]
        crowns = [r.result.champion for r in judged]
        if not crowns or crowns[-1] is None:
            continue
        coronation = max(i for i in range(len(crowns)) if not i or crowns[i - 1] != crowns[i])
        of = {crowns[-1], crowns[coronation - 1] if coronation else None}
        for record in {r.result.key: r for r in (judged[coronation], judged[-1])}.values():
            found += [
                receipt
                for receipt in record.published.receipts
                if read_receipt(receipt.document)[0].commitment.key in of
            ]
    return tuple(found)


def newest_receipts(
    history: OfferedHistory, hotkeys: Collection[Hotkey]
) -> tuple[SignedReceipt, ...]:
    """Return the newest receipt of each entry of these hotkeys."""
    found: dict[EntryKey, SignedReceipt] = {}
    for record in history.records:
        scored = (k for k, o in record.opened.outcomes.items() if o.verdict is Verdict.SCORED)
        of_round = zip(scored, record.published.receipts, strict=True)
        found.update((entry, receipt) for entry, receipt in of_round if entry.hotkey in hotkeys)
    return tuple(found.values())


def ranked(history: OfferedHistory, *, seed: str) -> tuple[SignedReceipt, ...]:
    """Return all receipts of a history in the order of a keyed hash."""

    def rank(receipt: SignedReceipt) -> bytes:
        return sha256(f"sn37/recheck/1|{seed}|{digest_of(receipt.document)}".encode()).digest()

    return tuple(sorted((r for h in history.records for r in h.published.receipts), key=rank))
