"""Wiring of a cold start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sn37.app.cold_start.offered_history import HistoryReader
from sn37.app.cold_start.offered_manifests import ManifestReader
from sn37.app.cold_start.offered_round import RoundReader
from sn37.app.cold_start.past_round import PastRounds
from sn37.app.cold_start.recheck import Rechecker
from sn37.app.cold_start.rejudge import MakeRunner, OpenScratch, Refolder
from sn37.app.cold_start.resampling import Resampler
from sn37.app.cold_start.starter import Starter
from sn37.app.receipts.signing import VerifySignature
from sn37.app.rounds.scoring_jobs import JobBuilder
from sn37.app.rounds.screening import Screener
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.samples.sources import Sources
from sn37.app.schedule.load import LoadedSchedule
from sn37.app.wiring.network import Network
from sn37.domain.round.winner import WinnerRule
from sn37.ports.receipt_source import ReceiptSource
from sn37.ports.scorer import Scorer
from sn37.ports.telemetry import EventSink


def build_starter(
    *,
    origins: Sequence[ReceiptSource],
    verify: VerifySignature,
    network: Network,
    loaded: LoadedSchedule,
    sources: Sources,
    scorer: Scorer,
    environment: Callable[[], Mapping[str, str]],
    keeper: StateKeeper,
    rule: WinnerRule,
    runner: MakeRunner,
    scratch: OpenScratch,
    sink: EventSink,
) -> Starter:
    """Return a starter with its dependencies."""
    chain, schedule = network.chain, loaded.schedule
    reader = RoundReader(
        chain=chain, schedule=schedule, fingerprint=loaded.fingerprint, verify=verify
    )
    screener = Screener(jobs=JobBuilder(network.models, keeper), scorer=scorer)
    resampler = Resampler(chain=chain, sources=sources, schedule=schedule, screener=screener)
    manifests = ManifestReader(rounds=reader, schedule=schedule)
    return Starter(
        origins=origins,
        histories=HistoryReader(rounds=reader, schedule=schedule, rule=rule),
        rechecker=Rechecker(
            resampler=resampler,
            models=network.models,
            keeper=keeper,
            scorer=scorer,
            environment=environment,
            schedule=schedule,
            sink=sink,
        ),
        manifests=manifests,
        refolder=Refolder(
            manifests=manifests,
            past=PastRounds(resampler=resampler, chain=chain),
            models=network.models,
            runner=runner,
            scratch=scratch,
            schedule=schedule,
            sink=sink,
        ),
        chain=chain,
        models=network.models,
        keeper=keeper,
        schedule=schedule,
        hotkey=network.signer.hotkey,
        sink=sink,
    )
