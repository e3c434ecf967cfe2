"""The simnet feed: what is found, what is filtered, and what its text is made of."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sn37.adapters.simnet.chain.keys import SimnetSigner, keypair
from sn37.adapters.simnet.feed.corpus import Pair, split, standard_library_pairs
from sn37.adapters.simnet.feed.dataset import SignedRuns, SimnetFeed
from sn37.adapters.simnet.feed.signed_logs import SENDERS, Conduct, Row, Run, SimnetRuns
from sn37.domain.data.repeats import held_elsewhere
from sn37.domain.data.samples import Pool, PoolRequest, TimeWindow
from sn37.domain.ids import Hotkey
from sn37.domain.schedule.competition import ParameterValue
from sn37.ports.dataset import LiveDataset
from sn37.ports.errors import DatasetUnavailable
from sn37.testing.dataset_contract import DatasetPluginContract, LiveDatasetContract
from tests.integration.simnet.made_up_runs import (
    GENESIS,
    PAIRS,
    SEED,
    START,
    TRUSTED,
    WINDOW,
    made_up_runs,
)


def collect(window: TimeWindow = WINDOW, trusted: frozenset[Hotkey] = TRUSTED) -> Pool:
    return asyncio.run(
        SignedRuns(made_up_runs).collect(PoolRequest(window=window, trusted=trusted))
    )


class _HungUp:
    """A host that stops answering after some rows."""

    def __init__(self) -> None:
        self._runs = made_up_runs()

    def runs(self, since: datetime, until: datetime) -> Iterator[Run]:
        return self._runs.runs(since, until)

    def rows(self, run: Run, since: datetime, until: datetime) -> Iterator[Row]:
        for count, row in enumerate(self._runs.rows(run, since, until)):
            if count == 3:
                raise ConnectionResetError("the host hung up")
            yield row


class TestSimnetFeed(LiveDatasetContract):
    def dataset(self) -> LiveDataset:
        return SignedRuns(made_up_runs)

    def silent_dataset(self) -> LiveDataset:
        nowhere = Path("/nonexistent/python")
        return SimnetFeed(seed=SEED, genesis_time=GENESIS, stdlib=nowhere).open({})

    def partial_dataset(self) -> LiveDataset:
        return SignedRuns(_HungUp)

    def request(self) -> PoolRequest:
        return PoolRequest(window=WINDOW, trusted=TRUSTED)


class TestSimnetFeedPlugin(DatasetPluginContract):
    def plugin(self) -> SimnetFeed:
        return SimnetFeed(seed=SEED, genesis_time=GENESIS)

    def parameters(self) -> Mapping[str, ParameterValue]:
        return {"modality": "text", "max_chars": 600}

    def wrong_parameters(self) -> Mapping[str, Mapping[str, ParameterValue]]:
        return {"modality": {"modality": "images"}, "max_chars": {"max_chars": 0}}


# What a window holds


@pytest.mark.parametrize("hours", [0, 5.5, 23.9, 500])
def test_any_window_of_three_and_a_half_hours_holds_nine_hundred_rows(hours: float) -> None:
    since = GENESIS + timedelta(hours=hours)
    pool = collect(TimeWindow(since=since, until=since + timedelta(hours=3.5)))
    texts = {s.content_hash for s in pool.samples}
    elsewhere = held_elsewhere(pool.samples, key="")
    assert len(texts) == len(pool.samples) - len(elsewhere) >= 900
    signers = Counter(s.provenance.signer for s in pool.samples)
    assert max(signers.values()) <= 0.35 * len(pool.samples)
    assert len(signers) >= 5


def test_a_later_window_moves_over_the_same_rows() -> None:
    hour = timedelta(hours=1)
    later = TimeWindow(since=WINDOW.since + hour, until=WINDOW.until + hour)
    shared = TimeWindow(since=later.since, until=WINDOW.until)
    # Of a text logged twice the pool has one row, and which one depends on the window.
    trusted = TRUSTED - {s.hotkey(SEED) for s in SENDERS if s.conduct is Conduct.REPLAYS}
    first, second = collect(trusted=trusted), collect(later, trusted)
    assert first.within(shared) == second.within(shared)
    assert first.within(shared).samples


def test_another_seed_has_other_rows() -> None:
    other = SignedRuns(lambda: SimnetRuns(seed=8, genesis_time=GENESIS, pairs=PAIRS))
    trusted = frozenset(s.hotkey(8) for s in SENDERS)
    pool = asyncio.run(other.collect(PoolRequest(window=WINDOW, trusted=trusted)))
    ours = {s.provenance.row_id for s in collect().samples}
    assert pool.samples
    assert ours.isdisjoint(s.provenance.row_id for s in pool.samples)


# What is filtered


def _logged() -> list[tuple[Run, Row]]:
    runs = made_up_runs()
    return [
        (run, row)
        for run in runs.runs(WINDOW.since, WINDOW.until)
        for row in runs.rows(run, WINDOW.since, WINDOW.until)
    ]


def _steps() -> set[tuple[str, int]]:
    """Run and step of every row that contributed to the pool."""
    names = (s.provenance.row_id.split("/") for s in collect().samples)
    return {(run, int(step)) for run, step, _ in names}


def test_rows_of_another_modality_are_left_out() -> None:
    images = {(run.id, row["_step"]) for run, row in _logged() if row["modality"] != "text"}
    assert images
    assert images.isdisjoint(_steps())


def test_rows_without_a_response_are_left_out() -> None:
    empty = {
        (run.id, row["_step"])
        for run, row in _logged()
        if any(k.startswith("responses.") and not str(v).strip() for k, v in row.items())
    }
    assert empty
    assert empty.isdisjoint(_steps())


def test_t18_rows_from_before_their_run_are_left_out() -> None:
    early = {
        (run.id, row["_step"])
        for run, row in _logged()
        if float(str(row["_timestamp"])) < run.created_at.timestamp()
    }
    assert early
    assert early.isdisjoint(_steps())


def test_t17_a_run_under_a_forged_signature_is_left_out() -> None:
    forger = next(i for i, s in enumerate(SENDERS) if s.conduct is Conduct.FORGES)
    forged = {run.id for run, _ in _logged() if run.sender == forger}
    claimed = {run.config["hotkey"] for run, _ in _logged() if run.sender == forger}
    assert claimed <= TRUSTED
    assert forged
    assert forged.isdisjoint(run for run, _ in _steps())


def test_t17_senders_without_stake_or_permit_are_left_out() -> None:
    poor = {s.hotkey(SEED) for s in SENDERS if s.stake_tao <= 100_000 or not s.permit}
    logged = {Hotkey(run.config["hotkey"]) for run, _ in _logged()}
    assert poor & logged
    assert poor.isdisjoint(s.provenance.signer for s in collect().samples)


def test_t18_a_text_logged_again_by_another_sender_counts_once() -> None:
    texts = Counter(
        str(v) for _, row in _logged() for k, v in row.items() if k.startswith("responses.")
    )
    repeated = {text for text, times in texts.items() if times > 1 and text.strip()}
    read = collect().samples
    elsewhere = held_elsewhere(read, key="")
    counted = Counter(s.reference for s in read if s.provenance.row_id not in elsewhere)
    assert repeated & counted.keys()
    assert max(counted.values()) == 1
    assert counted.keys() == {s.reference for s in read}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"type": "validator", "hotkey": "nobody", "signature": "00"},
        {"type": "validator", "hotkey": "nobody", "signature": "no hex"},
    ],
)
def test_a_run_that_proves_nothing_is_left_out(config: Mapping[str, str]) -> None:
    assert _collected_with(config) == 0


def test_a_run_that_is_no_validators_is_left_out() -> None:
    key = SimnetSigner(keypair(SEED, SENDERS[0].name))
    signature = key.sign(b"run").hex()
    config = {"type": "validator", "hotkey": key.hotkey, "signature": signature}
    assert _collected_with(config) > 0
    assert _collected_with({**config, "type": "miner"}) == 0


def _collected_with(config: Mapping[str, str]) -> int:
    """How many samples the first sender's newest run gives under another config."""

    class OneRun:
        def runs(self, since: datetime, until: datetime) -> Iterator[Run]:
            yield Run(id="run", created_at=START, config=config, sender=0, number=3)

        def rows(self, run: Run, since: datetime, until: datetime) -> Iterator[Row]:
            return made_up_runs().rows(run, since, until)

    request = PoolRequest(window=WINDOW, trusted=TRUSTED | {Hotkey("nobody")})
    return len(asyncio.run(SignedRuns(OneRun).collect(request)).samples)


def test_long_cells_can_be_left_out() -> None:
    longest = max(len(p.prompt) + len(p.response) for p in PAIRS)
    request = PoolRequest(window=WINDOW, trusted=TRUSTED)
    pool = asyncio.run(SignedRuns(made_up_runs, max_chars=longest - 1).collect(request))
    sizes = {len(s.prompt) + len(s.reference) for s in pool.samples}
    assert max(sizes) < longest
    assert 0 < len(pool.samples) < len(collect().samples)


def test_a_request_without_trusted_signers_is_a_mistake_of_the_schedule() -> None:
    request = PoolRequest(window=WINDOW, trusted=None)
    with pytest.raises(ValueError, match="signers_netuid"):
        asyncio.run(SignedRuns(made_up_runs).collect(request))


# The text


def test_the_installed_python_explains_itself_in_thousands_of_pairs() -> None:
    pairs = standard_library_pairs()
    assert len(pairs) >= 2500
    assert len({p.response for p in pairs}) == len(pairs)
    assert all(80 <= len(p.response) <= 1500 and p.response.isascii() for p in pairs)
    assert any(p.prompt.startswith("Explain `json.dumps(") for p in pairs)


def test_what_is_trained_on_is_never_what_is_scored() -> None:
    pairs = standard_library_pairs()
    training, live = split(pairs, "training"), split(pairs, "live")
    assert len(training) + len(live) == len(pairs)
    assert min(len(training), len(live)) > 0.4 * len(pairs)
    assert {p.topic for p in training}.isdisjoint(p.topic for p in live)
    assert {p.response for p in training}.isdisjoint(p.response for p in live)


def test_the_default_feed_serves_the_live_half() -> None:
    dataset = SimnetFeed(seed=SEED, genesis_time=GENESIS).open({})
    pool = asyncio.run(dataset.collect(PoolRequest(window=WINDOW, trusted=TRUSTED)))
    live = {p.response for p in split(standard_library_pairs(), "live")}
    assert len(pool.samples) >= 900
    assert {s.reference for s in pool.samples} <= live


def test_pairs_are_read_from_docstrings_and_nothing_is_imported(tmp_path: Path) -> None:
    prose = "Return the number of words that a reader of this text would have to count."
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text(
        "raise SystemExit\n"
        "class Reader:\n"
        f"    def count(self, text, *, limit=None):\n        '''{prose} It is exact.'''\n"
        "    def table(self):\n        '''" + "| 0x00 " * 30 + "'''\n"
        "    def short(self):\n        '''Too short.'''\n"
        f"def same():\n    '''{prose} It is exact.'''\n"
    )
    (tmp_path / "broken.py").write_text("def (:\n")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "skipped.py").write_text(f"'''{prose} In a test.'''\n")
    assert standard_library_pairs(tmp_path) == (
        Pair(
            "pkg.Reader.count",
            "Explain `pkg.Reader.count(self, text, *, limit=None)` of the Python standard library.",
            f"{prose} It is exact.",
        ),
    )


def test_long_documentation_is_cut_between_paragraphs(tmp_path: Path) -> None:
    paragraphs = [
        f"Paragraph {name} is about nothing much. " + "It goes on. " * 20 for name in "ab"
    ]
    (tmp_path / "m.py").write_text('"""' + "\n\n".join(paragraphs) + '"""\n')
    first, second = standard_library_pairs(tmp_path)
    assert (first.response, second.response) == (paragraphs[0].strip(), paragraphs[1].strip())
    assert second.prompt == "Go on explaining, part 2 of `m` of the Python standard library."


def test_cached_pairs_survive_the_library_they_came_from(tmp_path: Path) -> None:
    cache = tmp_path / "pairs.json"
    source = tmp_path / "m.py"
    source.write_text(f"'''{'Nothing is ever lost by saying it once more. ' * 3}'''\n")
    pairs = standard_library_pairs(tmp_path, cache=cache)
    source.unlink()
    assert len(pairs) == 1
    assert standard_library_pairs(Path("/nonexistent"), cache=cache) == pairs
    assert [p.name for p in tmp_path.iterdir()] == ["pairs.json"]


def test_a_missing_library_is_reported_as_unavailable() -> None:
    feed = SimnetFeed(seed=SEED, genesis_time=GENESIS, stdlib=Path("/nonexistent")).open({})
    with pytest.raises(DatasetUnavailable, match="no standard library"):
        asyncio.run(feed.collect(PoolRequest(window=WINDOW, trusted=TRUSTED)))
