"""Every metric of a validator: name, type, meaning, labels. docs/monitoring.md has the same table.

Names follow Prometheus: base units, and ``_total`` for counters. No text that a miner can write is
a label, except hotkeys of entries that a round has scored; see ``LABELS`` for what bounds each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

MAX_HOTKEYS = 64  # of one competition in a metric, those with the best scores or largest weights
MAX_NAMES = 40  # different values of a label that this program names; later ones are OTHER
OTHER = "other"


class Kind(StrEnum):
    """Type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


LABELS: Mapping[str, str] = {
    "actor": "part of the validator, as under `steps` of the health pages",
    "competition": "id of a competition of the schedule",
    "dependency": "what failed: as under `degraded` of the health pages",
    "event": "class in `sn37/domain/events.py`",
    "hotkey": f"hotkey of a champion, of an entry that was scored in the newest round, or of one "
    f"that has a weight; at most {MAX_HOTKEYS} in each competition, and gone with the next round",
    "layer": "layer of the sandbox",
    "layers": "layers of the sandbox, as receipts name them",
    "network": "as in the settings",
    "netuid": "as in the settings",
    "reason": "code of docs/miner.md, or none",
    "result": "`counted` or `dropped`",
    "task": "name of a task of the schedule",
    "verdict": "verdict of docs/validator.md",
    "version": "version of sn37",
    "view": "result of a second opinion: `agrees`, `differs` or `unavailable`",
    "waiting_for": "`download` or `score`",
    "what": f"subject of a `caution` line; after {MAX_NAMES} different ones `{OTHER}`",
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A metric: its name, type, meaning and labels.

    Raises:
        ValueError: A name or label breaks a convention of Prometheus, or of this module.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()  # upper bounds of a histogram's buckets, without infinity

    def __post_init__(self) -> None:
        if not self.name.startswith("sn37_"):
            raise ValueError(f"metric {self.name}: the name must begin with sn37_")
        if self.name.endswith("_total") != (self.kind is Kind.COUNTER):
            raise ValueError(f"metric {self.name}: counters end in _total, and only they")
        if bool(self.bounds) != (self.kind is Kind.HISTOGRAM):
            raise ValueError(f"metric {self.name}: histograms have bounds, and only they")
        if list(self.bounds) != sorted(set(self.bounds)):
            raise ValueError(f"metric {self.name}: bounds must rise, not {self.bounds}")
        if unknown := set(self.labels) - set(LABELS):
            raise ValueError(f"metric {self.name}: unknown labels {sorted(unknown)}")


def _gauge(name: str, meaning: str, *labels: str) -> Definition:
    return Definition(f"sn37_{name}", Kind.GAUGE, meaning, labels)


def _counter(name: str, meaning: str, *labels: str) -> Definition:
    return Definition(f"sn37_{name}_total", Kind.COUNTER, meaning, labels)


def _seconds(name: str, meaning: str, bounds: tuple[float, ...], *labels: str) -> Definition:
    return Definition(f"sn37_{name}_seconds", Kind.HISTOGRAM, meaning, labels, bounds)


_SHORT = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_LONG = (10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)


class Metric(Enum):
    """The metrics, in the order in which the page and the document show them."""

    BUILD = _gauge(
        "build_info", "Always 1; how the program was started.", "version", "network", "netuid"
    )
    STARTED = _gauge("start_time_seconds", "When the program started, in Unix time.")
    LOOP_SILENT = _gauge("loop_silent_seconds", "Seconds since the event loop last ran.")
    SLOW_STEPS = _gauge(
        "slow_steps", "Steps of an actor that have used half of their time.", "actor"
    )
    EVENTS = _counter("events", "Events since the start.", "event")
    CAUTIONS = _counter("cautions", "Lines `caution` of the console.", "what")

    HEAD = _gauge("head_block", "Number of the newest finalized block.")
    HEAD_AGE = _gauge(
        "head_age_seconds",
        "Seconds since the newest block came; before the first, since the start.",
    )
    HEAD_STEP = _gauge(
        "head_step_blocks",
        "Blocks between the newest block that was read and the one before; more than 1: some were "
        "left out, because reading fell behind.",
    )
    NEXT_SYNC = _gauge("next_sync_block", "Block at which the next rounds begin.")
    CADENCE = _gauge("cadence_blocks", "Blocks between two rounds of a competition.")

    DEGRADED = _gauge("degraded", "1 while a dependency fails, else 0.", "dependency")
    DEGRADED_FOR = _gauge(
        "degraded_seconds", "Seconds since a dependency that fails began to.", "dependency"
    )
    OUTAGES = _counter("degraded_reports", "Failed attempts to use a dependency.", "dependency")

    SUBMISSIONS_SEEN = _counter("submissions_seen", "Commitments read for the first time.")
    SUBMISSIONS_FETCHED = _counter("submissions_fetched", "Models downloaded and verified.")
    SUBMISSIONS_REFUSED = _counter(
        "submissions_refused", "Submissions refused permanently.", "reason"
    )
    FETCHED_BYTES = _counter("fetched_bytes", "Bytes of the models downloaded.")
    FETCHING = _seconds(
        "fetch",
        "Time from reading a commitment to having its verified model, the wait for its turn "
        "included.",
        _LONG,
    )
    QUEUE = _gauge(
        "queue_submissions",
        "Submissions that may still be scored for the first time and wait for a download (the "
        "model is not here yet) or a score (it is).",
        "competition",
        "waiting_for",
    )

    POOL_ROWS = _gauge(
        "pool_rows", "Rows in the newest pool of a task's source.", "competition", "task"
    )
    ROWS_SET_ASIDE = _counter(
        "rows_set_aside", "Rows left out of pools and samples.", "competition", "task"
    )

    ROUND = _gauge(
        "round_sync_block",
        "Sync block of the newest finished round, sat out or not.",
        "competition",
    )
    ROUND_AGE = _gauge(
        "round_age_blocks",
        "Blocks since that, or since the start of the program or the competition if it was later.",
        "competition",
    )
    ROUNDS_JUDGED = _counter(
        "rounds_judged",
        "Rounds judged since the state began, adopted ones included.",
        "competition",
    )
    ROUNDS_SAT_OUT = _counter("rounds_sat_out", "Rounds sat out.", "competition", "reason")
    ROUNDS_LATER = _counter("rounds_scored_later", "Missed rounds scored later.", "competition")
    ROUNDS_MISSED = _gauge(
        "rounds_missed", "Rounds without a verdict among the last 24.", "competition"
    )
    ROUND_TIME = _seconds("round", "Time from opening a round to its result.", _LONG, "competition")
    OPEN_ENTRIES = _gauge(
        "open_round_entries", "Entries of the round under way; 0 without one.", "competition"
    )
    OPEN_FINISHED = _gauge(
        "open_round_finished_entries", "Those of them that are finished.", "competition"
    )
    ROUND_ENTRIES = _gauge(
        "round_entries", "Entries of the newest judged round.", "competition", "verdict"
    )
    POSTPONED = _gauge(
        "round_postponed_entries",
        "Entries of the newest judged round for which no time was left.",
        "competition",
    )
    ENTRIES = _counter(
        "entries", "Entries finished since the start.", "competition", "verdict", "reason"
    )
    OWN_FAILURES = _counter(
        "own_failures", "Entries that failed by the validator's fault.", "competition"
    )
    SCORE = _gauge(
        "entry_score",
        "Score of an entry in the newest judged round; lower is better.",
        "competition",
        "hotkey",
    )
    CHAMPION_SCORE = _gauge(
        "champion_score", "Score of the champion in the newest judged round.", "competition"
    )
    CHALLENGER_SCORE = _gauge(
        "challenger_score",
        "Best score of another entry that was scored on all samples of that round.",
        "competition",
    )
    CROWN_HELD = _gauge("crown_held", "1 if an entry holds the crown, else 0.", "competition")
    CHAMPION = _gauge("champion_info", "1 for the champion.", "competition", "hotkey")
    CHAMPION_SINCE = _gauge(
        "champion_since_block", "Sync block since which it has been champion.", "competition"
    )
    CROWN_CHANGES = _counter(
        "crown_changes", "Crowns that passed to an entry since the start.", "competition"
    )
    OPINIONS = _counter("second_opinions", "Second opinions on entries.", "view")

    SENDS_WEIGHTS = _gauge("sends_weights", "1 unless the validator runs with --offline.")
    WARM_UP = _gauge("warm_up_rounds", "Rounds to be judged before weights are set.", "competition")
    WEIGHTS_SET = _counter("weights_set", "Rows of weights that the chain took.")
    WEIGHTS_AGE_BLOCKS = _gauge(
        "weights_age_blocks",
        "Blocks since the newest weights on chain were sent; without any, since the start.",
    )
    WEIGHTS_AGE = _gauge(
        "weights_age_seconds",
        "The same in seconds: 12 for each block, and those since the newest block.",
    )
    WEIGHT = _gauge("weight", "Share of a hotkey in the newest weights on chain.", "hotkey")
    REVEALS = _counter("weights_revealed", "Committed weights that were revealed.", "result")

    SCORING = _seconds(
        "scoring",
        "Time from an entry's start to its end, the last attempt alone.",
        _LONG,
        "competition",
    )
    WORKER_START = _seconds(
        "worker_start",
        "Time from an entry's start to its first 16 samples: worker, loading, and scoring them.",
        _SHORT,
    )
    BLOCK_TIME = _seconds("sample_block", "Time of the next 16 samples of an entry.", _SHORT)
    SANDBOX = _gauge("sandbox_info", "Always 1, once the layers are known.", "layers")
    SANDBOX_LAYER = _gauge("sandbox_layer", "1 if this machine has the layer, else 0.", "layer")
    SANDBOX_MISSING = _gauge("sandbox_missing_layers", "Layers that this machine lacks.")

    DISK_FREE = _gauge("disk_free_bytes", "Free bytes of the disk with the state directory.")
    DISK_SIZE = _gauge("disk_size_bytes", "Size of that disk.")
    STATE_SIZE = _gauge("state_bytes", "Size of state.sqlite, with the files beside it.")
    CACHE = _gauge("model_cache_bytes", "Bytes of models on disk, complete or not.")
    QUOTA = _gauge("model_cache_quota_bytes", "What the models may take; missing without a limit.")
