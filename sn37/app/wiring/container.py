"""The composition root: the only module that knows every adapter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from dependency_injector import containers, providers

from sn37.adapters.receipts.address import receipts_at
from sn37.adapters.receipts.folder import write_index, write_round
from sn37.adapters.scoring.sandbox.probe import probe as probe_host
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.adapters.signatures import is_signed_by
from sn37.adapters.sqlite import maintenance
from sn37.adapters.sqlite import read_only as reading
from sn37.adapters.sqlite import schema_version as versions
from sn37.adapters.sqlite.scratch import lasting_scratch_store, remove_scratch, scratch_store
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.adapters.system.clock import SystemClock
from sn37.adapters.system.disk import free_bytes
from sn37.adapters.system.health_server import HealthServer
from sn37.adapters.system.service_manager import from_environment
from sn37.adapters.system.watchdog import Watchdog, end_process
from sn37.adapters.telemetry.console import ConsoleSink, LastingConsole, validator_console
from sn37.adapters.telemetry.fanout import FanOut
from sn37.adapters.telemetry.jsonl import JsonlSink
from sn37.adapters.telemetry.log_sink import LogSink
from sn37.adapters.telemetry.member_log import MemberLog
from sn37.adapters.telemetry.report_file import ReportFile
from sn37.adapters.telemetry.sample_tables import render_samples
from sn37.adapters.telemetry.subnet_file import NAME as SUBNET_FILE
from sn37.adapters.telemetry.subnet_file import write_subnet
from sn37.adapters.telemetry.tables import render_report
from sn37.app.actors.alarms import Alarms
from sn37.app.actors.chain_continuity import Continuity
from sn37.app.actors.evaluator import Evaluator
from sn37.app.actors.fetcher import Fetcher
from sn37.app.actors.follower import Follower
from sn37.app.actors.freezer import Freezer
from sn37.app.actors.onlooker import Onlooker
from sn37.app.actors.opener import RoundOpener
from sn37.app.actors.pruner import Pruner
from sn37.app.actors.round_limit import Goal
from sn37.app.actors.spare_time import SpareTime
from sn37.app.actors.submitter import Submitter
from sn37.app.audit.auditor import Auditor
from sn37.app.config.settings import Settings
from sn37.app.notifications.notices import Notices
from sn37.app.receipts.signing import ReceiptWriter
from sn37.app.receipts.statements import StatementWriter
from sn37.app.rounds.entry_chooser import EntryChooser
from sn37.app.rounds.runner import RoundRunner
from sn37.app.rounds.scoring_jobs import JobBuilder
from sn37.app.rounds.state_keeper import StateKeeper
from sn37.app.samples.sources import Sources
from sn37.app.schedule.load import LoadedSchedule
from sn37.app.status.run_report import RUN_REPORT, Reporter
from sn37.app.supervision.current_work import CurrentWork
from sn37.app.supervision.deadlines import Steps
from sn37.app.supervision.heads import Heads
from sn37.app.supervision.health import HealthBoard
from sn37.app.supervision.heartbeat import STUCK_S, Pulse
from sn37.app.supervision.supervisor import Supervisor
from sn37.app.supervision.waiting_store import PatientStore, patiently
from sn37.app.wiring.cold_start import build_starter
from sn37.app.wiring.metrics import build_metrics, metrics_pages
from sn37.app.wiring.missed_rounds import build_missed_rounds
from sn37.app.wiring.network import Network
from sn37.app.wiring.notifications import build_notifier
from sn37.app.wiring.print_tables import printed
from sn37.app.wiring.run_log import RunLog
from sn37.domain.ids import BLOCK_SECONDS, Hotkey
from sn37.domain.round.winner import KingOfTheHill

MEMBERS = "members.jsonl"  # in the state folder


def _file(state_dir: Path, name: str) -> Path:
    return state_dir / name


def _free_bytes(state_dir: Path) -> Callable[[], int | None]:
    return partial(free_bytes, state_dir, state_dir / "models")


def _block_s(settings: Settings) -> float | None:
    """Return the seconds between two blocks; ``None`` on simnet, which does not wait for them."""
    return None if settings.is_simnet and settings.pace == "virtual" else float(BLOCK_SECONDS)


def _scorer(settings: Settings) -> WorkerScorer:
    return WorkerScorer(
        device=settings.scorer_device,
        dtype=settings.scorer_dtype,
        threads=settings.threads,
        allow_weak_sandbox=settings.allow_weak_sandbox,
    )


def _watchdog(log_file: Path) -> Watchdog:
    return Watchdog(
        deadline_s=STUCK_S, on_stuck=lambda: end_process(log_file, "the event loop is stuck")
    )


def _end(console: ConsoleSink, log_file: Path, why: str) -> None:
    console.close()  # shows the last lines, if they are read
    end_process(log_file, why)


class Container(containers.DeclarativeContainer):
    """Wires one validator.

    ``network`` is opened by the code that starts the validator, because opening takes time; it is
    provided before the first actor is built.
    """

    settings = providers.Dependency(instance_of=Settings)
    loaded = providers.Dependency(instance_of=LoadedSchedule)
    network = providers.Dependency(instance_of=Network)

    clock = providers.Singleton(SystemClock)
    labels: providers.Provider[dict[Hotkey, str]] = providers.Singleton(dict)
    console = providers.Singleton(
        validator_console,
        labels=labels,
        now=clock.provided.now,
        block_s=providers.Callable(_block_s, settings),
    )
    tables = providers.Object(printed(render_report, LastingConsole))
    sample_table = providers.Object(printed(render_samples, LastingConsole))
    event_log = providers.Callable(_file, settings.provided.state_dir, "events.jsonl")
    journal = providers.Singleton(JsonlSink, event_log, now=clock.provided.now)
    board = providers.Singleton(HealthBoard, clock=clock)
    work = providers.Singleton(CurrentWork)
    report_file = providers.Singleton(
        ReportFile, providers.Callable(_file, settings.provided.state_dir, RUN_REPORT)
    )
    members = providers.Singleton(
        MemberLog, providers.Callable(_file, settings.provided.state_dir, MEMBERS)
    )
    story_log = providers.Singleton(LogSink, labels=labels, now=clock.provided.now)
    notices = providers.Singleton(Notices, clock=clock)
    notifier = providers.Singleton(build_notifier, settings, notices, clock)
    log_file = providers.Callable(_file, settings.provided.state_dir, "validator.log")
    run_log = providers.Singleton(RunLog, log_file, handler=story_log.provided.handler)
    watchdog = providers.Singleton(_watchdog, log_file)
    steps = providers.Singleton(Steps, clock)
    metrics = providers.Singleton(
        build_metrics, settings, clock=clock, board=board, steps=steps, watchdog=watchdog
    )
    sink = providers.Singleton(
        FanOut,
        providers.List(
            console, story_log, journal, board, work, report_file, members, metrics, notifier
        ),
    )

    pulse = providers.Singleton(
        Pulse,
        clock=clock,
        watchdog=watchdog,
        manager=providers.Singleton(from_environment),
        board=board,
        steps=steps,
        sink=sink,
        end=providers.Callable(partial, _end, console, log_file),
    )
    reporter = providers.Factory(
        Reporter, page=pulse.provided.ready, work=work, offline=settings.provided.offline
    )
    health_server = providers.Factory(
        HealthServer,
        pages=pulse.provided.pages.call(),
        applications=providers.Callable(metrics_pages, metrics),
    )

    schedule = loaded.provided.schedule
    chain = network.provided.chain
    models = network.provided.models

    state_file = settings.provided.state_file
    store = providers.Singleton(
        SqliteStateStore, state_file, keep_texts=settings.provided.keep_texts
    )
    patient_store = providers.Singleton(PatientStore, store, clock=clock, sink=sink, steps=steps)
    open_state = providers.Factory(SqliteStateStore)
    verify_state = providers.Object(maintenance.verify)
    back_up_state = providers.Object(maintenance.backup)
    restore_state = providers.Object(maintenance.restore)
    compact_state = providers.Object(maintenance.compact)
    migrate_state = providers.Object(versions.migrate)
    read_state = providers.Object(reading.read_state)
    read_fingerprint = providers.Object(reading.read_fingerprint)
    read_pools = providers.Object(reading.read_pools)
    state_in_use = providers.Object(maintenance.in_use)
    auditor = providers.Factory(
        Auditor,
        schedule=loaded.provided.schedule,
        fingerprint=loaded.provided.fingerprint,
        rule=providers.Singleton(KingOfTheHill),
    )
    scorer = providers.Singleton(_scorer, settings)
    open_scorer = providers.Factory(_scorer)  # of other settings
    host_sandbox = providers.Callable(probe_host)
    rule = providers.Singleton(KingOfTheHill)
    heads = providers.Singleton(Heads)
    subscription = providers.Factory(Heads.subscribe, heads)
    keeper = providers.Singleton(StateKeeper, patient_store)
    sources = providers.Singleton(Sources, network.provided.find_source)
    spare = providers.Singleton(SpareTime)
    receipts = providers.Singleton(
        ReceiptWriter, signer=network.provided.signer, fingerprint=loaded.provided.fingerprint
    )
    statements = providers.Singleton(
        StatementWriter,
        signer=network.provided.signer,
        netuid=loaded.provided.schedule.netuid,
        fingerprint=loaded.provided.fingerprint,
    )

    follower = providers.Singleton(
        Follower,
        chain=chain,
        keeper=keeper,
        heads=heads,
        schedule=schedule,
        clock=clock,
        sink=sink,
    )
    fetcher = providers.Singleton(
        Fetcher,
        chain=chain,
        models=models,
        keeper=keeper,
        heads=subscription,
        schedule=schedule,
        sink=sink,
    )
    freezer = providers.Singleton(
        Freezer,
        chain=chain,
        sources=sources,
        spare=spare,
        store=patient_store,
        heads=subscription,
        schedule=schedule,
        sink=sink,
    )
    opener = providers.Singleton(
        RoundOpener,
        chain=chain,
        entries=providers.Singleton(
            EntryChooser,
            chain=chain,
            models=models,
            keeper=keeper,
            store=patient_store,
            schedule=schedule,
        ),
        sources=sources,
        keeper=keeper,
        store=patient_store,
        heads=subscription,
        schedule=schedule,
        sink=sink,
    )
    runner = providers.Factory(  # of rounds, for any state
        RoundRunner,
        scorer=scorer,
        environment=scorer.provided.environment,
        receipts=receipts,
        statements=statements,
        rule=rule,
        schedule=schedule,
        clock=clock,
    )
    evaluator = providers.Singleton(
        Evaluator,
        keeper=keeper,
        runner=providers.Singleton(
            runner,
            keeper=keeper,
            store=patient_store,
            jobs=providers.Singleton(JobBuilder, models, keeper),
            sink=sink,
        ),
        spare=spare,
        heads=subscription,
        schedule=schedule,
    )
    submitter = providers.Singleton(
        Submitter,
        chain=chain,
        keeper=keeper,
        heads=subscription,
        schedule=schedule,
        sink=sink,
        offline=settings.provided.offline,
    )
    alarms = providers.Singleton(
        Alarms,
        keeper=keeper,
        heads=subscription,
        schedule=schedule,
        sink=sink,
        free_bytes=providers.Callable(_free_bytes, settings.provided.state_dir),
        offline=settings.provided.offline,
    )
    forgetter = providers.Singleton(
        Pruner,
        keeper=keeper,
        heads=subscription,
        clock=clock,
        keep_days=settings.provided.keep_history,
    )
    subnet_file = providers.Callable(_file, settings.provided.state_dir, SUBNET_FILE)
    onlooker = providers.Singleton(
        Onlooker,
        chain=chain,
        validator=network.provided.signer.hotkey,
        heads=subscription,
        write=providers.Callable(partial, write_subnet, subnet_file),
    )
    verify_signature = providers.Object(is_signed_by)
    write_round = providers.Object(write_round)
    write_index = providers.Object(write_index)
    origins = providers.Callable(  # what other validators publish
        receipts_at,
        settings.provided.cold_start_from,
        providers.Callable(_file, settings.provided.state_dir, "offers"),
        clock,
    )
    scratch = providers.Factory(  # a state for past rounds, beside the validator's own
        patiently,
        providers.Factory(
            scratch_store,
            providers.Callable(_file, settings.provided.state_dir, "cold-start.sqlite"),
        ),
        clock=clock,
        sink=sink,
        steps=steps,
    )
    starter = providers.Factory(
        build_starter,
        origins=origins,
        verify=verify_signature,
        network=network,
        loaded=loaded,
        sources=sources,
        scorer=scorer,
        environment=scorer.provided.environment,
        keeper=keeper,
        rule=rule,
        runner=runner.provider,
        scratch=scratch.provider,
        sink=sink,
    )
    late_file = providers.Callable(_file, settings.provided.state_dir, "missed-round.sqlite")
    late_scratch = providers.Factory(  # of the missed round that is being scored
        patiently,
        providers.Factory(lasting_scratch_store, late_file),
        clock=clock,
        sink=sink,
        steps=steps,
    )
    drop_late_scratch = providers.Callable(remove_scratch, late_file)
    missed = providers.Singleton(
        build_missed_rounds,
        origins=origins,
        verify=verify_signature,
        network=network,
        loaded=loaded,
        sources=sources,
        scorer=scorer,
        environment=scorer.provided.environment,
        keeper=keeper,
        store=patient_store,
        runner=runner.provider,
        statements=statements,
        open_scratch=late_scratch.provider,
        drop_scratch=drop_late_scratch.provider,
        spare=spare,
        heads=subscription,
        sink=sink,
    )
    goal = providers.Factory(
        Goal,
        keeper=keeper,
        heads=subscription,
        schedule=schedule,
        offline=settings.provided.offline,
    )
    continuity = providers.Factory(
        Continuity,
        chain=chain,
        keeper=keeper,
        sink=sink,
        makes_blocks=settings.provided.is_simnet,
        state=providers.Callable(str, settings.provided.state_dir),
    )
    supervisor = providers.Singleton(Supervisor, clock=clock, sink=sink, steps=steps)
    actors = providers.Dict(
        chain=follower.provided.run,
        models=fetcher.provided.run,
        data=freezer.provided.run,
        rounds=opener.provided.run,
        scoring=evaluator.provided.run,
        missed=missed.provided.run,
        weights=submitter.provided.run,
        history=forgetter.provided.run,
        alarms=alarms.provided.run,
        subnet=onlooker.provided.run,
    )


def container_for(settings: Settings, loaded: LoadedSchedule | None = None) -> Container:
    """Build the container of one command, which asks this object for all that it uses.

    Args:
        loaded: The schedule, for commands that derive decisions again.
    """
    if loaded is None:
        return Container(settings=providers.Object(settings))
    return Container(settings=providers.Object(settings), loaded=providers.Object(loaded))
