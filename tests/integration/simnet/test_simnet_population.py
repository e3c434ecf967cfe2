"""The population and the world, at a size that trains in seconds."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import pytest

from sn37.adapters.simnet.chain.schema import GENESIS_TIME
from sn37.adapters.simnet.feed.signed_logs import SENDERS
from sn37.adapters.simnet.miners import training_processes
from sn37.adapters.simnet.miners.population import Population, prepare
from sn37.adapters.simnet.miners.roster import (
    FREE,
    HEAD,
    INSTRUCT,
    RECIPE,
    TEMPLATE,
    TOKENIZER_REPO,
    TOKENIZER_REVISION,
    Shape,
    Training,
    Trick,
    recipe,
)
from sn37.adapters.simnet.miners.train_models import Job, TrainingPlan
from sn37.adapters.simnet.miners.training_processes import TrainingFailed, train_all
from sn37.adapters.simnet.world import (
    NETUID,
    SOURCE,
    World,
    build_world,
    clock_of,
)
from sn37.app.schedule.load import load_schedule
from sn37.domain.data.samples import PoolRequest, TimeWindow
from sn37.domain.events import Event, SetUpAdvanced
from sn37.domain.reasons import Reason
from sn37.domain.schedule.competition import TokenizerRef
from sn37.domain.schedule.model_limits import ModelConstraints
from sn37.domain.submission.commitment import CommitmentBook, CommitmentFault
from sn37.domain.submission.models import ModelArtifact
from sn37.ports.dataset import LiveDataset
from sn37.ports.errors import ModelNotPublic, ModelRejected

SEED = 7
SMALL = recipe(
    {"small": 1, "medium": 2, "large": 3},
    shape=Shape(vocabulary=300, hidden=16, intermediate=32, layers=1, heads=2, kv_heads=1),
    training=Training(base_steps=1, batch=2, tokens=96),
)
# Room for the small models as the shipped schedule has for the real ones.
LIMITS = {
    INSTRUCT: ModelConstraints(
        min_parameters=1,
        max_parameters=8_000,
        max_bytes=1_000_000,
        max_tokens=64,
        architectures=frozenset({"LlamaForCausalLM"}),
    ),
    FREE: ModelConstraints(
        min_parameters=1,
        max_parameters=8_000,
        max_bytes=60_000,
        max_tokens=64,
        architectures=frozenset({"LlamaForCausalLM"}),
    ),
}


class Events:
    def __init__(self) -> None:
        self.seen: list[Event] = []

    def emit(self, event: Event) -> None:
        self.seen.append(event)


def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a parallel run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    state_dir = shared(tmp_path_factory) / "simnet-population"
    state_dir.mkdir(exist_ok=True)
    with (state_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return build_world(state_dir, seed=SEED, emit=Events(), recipe=SMALL)


def contents(population: Population) -> dict[str, str]:
    """Sha256 of every file of every miner, by "miner/file"."""
    return {
        f"{name}/{path.name}": sha256(path.read_bytes()).hexdigest()
        for name, folder in population.folders.items()
        for path in sorted(folder.iterdir())
    }


async def book_of(world: World) -> CommitmentBook:
    chain = world.open_chain()
    return await chain.commitments(await chain.head())


_PREPARE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from sn37.adapters.simnet.miners.population import prepare
from sn37.adapters.simnet.miners.roster import Shape, Training, recipe
from sn37.domain.events import SetUpAdvanced

small = recipe(
    {"small": 1, "medium": 2, "large": 3},
    shape=Shape(vocabulary=300, hidden=16, intermediate=32, layers=1, heads=2, kv_heads=1),
    training=Training(base_steps=1, batch=2, tokens=96),
)

class Printer:
    def emit(self, event):
        print(event.done, flush=True)

prepare(Path(sys.argv[1]), seed=int(sys.argv[3]), emit=Printer(), recipe=small)
"""


def test_a_killed_preparation_goes_on_and_ends_with_the_same_bytes(
    world: World, tmp_path: Path
) -> None:
    root = tmp_path / "population"
    project = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", _PREPARE, str(root), project, str(SEED)],
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 4:  # the base and a miner or two are done, others are not
                child.send_signal(signal.SIGKILL)
                break
    assert child.wait() == -signal.SIGKILL
    assert not (root / "complete.json").exists()
    finished = {path: path.stat().st_mtime_ns for path in (root / "miners").glob("c*")}
    assert finished
    population = prepare(root, seed=SEED, emit=Events(), recipe=SMALL)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert contents(population) == contents(world.population)


def test_a_finished_preparation_is_only_opened(world: World) -> None:
    events = Events()
    root = world.population.tokenizer.parent
    assert prepare(root, seed=SEED, emit=events, recipe=SMALL) == world.population
    assert events.seen == []


def test_another_seed_or_recipe_is_refused_in_one_line(world: World) -> None:
    root = world.population.tokenizer.parent
    for seed, other in ((SEED + 1, SMALL), (SEED, RECIPE)):
        with pytest.raises(ValueError, match="choose another") as caught:
            prepare(root, seed=seed, emit=Events(), recipe=other)
        assert "\n" not in str(caught.value)


def test_the_process_that_prepares_imports_no_torch() -> None:
    code = "import sys, sn37.adapters.simnet.world; print([m for m in sys.modules if m=='torch'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[3],
        text=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_training_that_fails_is_named_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(name="broken", steps=1, target=str(tmp_path / "x"), template="")
    plan = TrainingPlan(
        seed=0,
        shape=SMALL.shape,
        training=SMALL.training,
        tokenizer=str(tmp_path / "tokenizer"),
        jobs=(job,),
    )
    monkeypatch.setattr(training_processes, "_MODULE", "sn37.no_such_module")
    with pytest.raises(TrainingFailed, match=r"no_such_module.*broken-0\.log"):
        train_all([plan], logs=tmp_path / "logs", report=lambda name, step: None)
    assert TrainingPlan.from_json(plan.to_json()) == plan


def test_progress_is_reported_up_to_its_end(tmp_path: Path, world: World) -> None:
    root = tmp_path / "population"
    source = world.population.tokenizer.parent
    subprocess.run(["cp", "-r", str(source), str(root)], check=True)
    (root / "complete.json").unlink()
    events = Events()
    prepare(root, seed=SEED, emit=events, recipe=SMALL)
    last = {e.what: (e.done, e.total) for e in events.seen if isinstance(e, SetUpAdvanced)}
    assert len(last) == 2
    assert all(done == total for done, total in last.values())


async def test_every_miner_has_its_commitment_on_chain(world: World) -> None:
    book = await book_of(world)
    written = {world.labels[h]: c for h, c in book.well_formed.items()}
    broken = {world.labels[h]: m for h, m in book.malformed.items()}
    for miner in SMALL.miners:
        if miner.trick is Trick.BRANCH:
            assert broken[miner.name].fault is CommitmentFault.REVISION
        else:
            commitment = written[miner.name]
            assert commitment.competition == miner.competition
            assert commitment.block == (miner.reveal or miner.committed)
    assert len(written) + len(broken) == len(SMALL.miners)


async def test_the_chain_knows_validators_and_senders(world: World) -> None:
    chain = world.open_chain()
    head = await chain.head()
    assert head.number == HEAD
    validator = (await chain.metagraph(head)).find(world.signer.hotkey)
    assert validator is not None
    assert validator.validator_permit
    assert world.labels[validator.hotkey] == "validator"


async def test_the_tokenizer_lies_under_its_fixed_revision(world: World) -> None:
    ref = TokenizerRef(repo=TOKENIZER_REPO, revision=TOKENIZER_REVISION)
    folder = await world.store.tokenizer(ref)
    assert (world.population.tokenizer / "tokenizer.json").read_bytes() == await asyncio.to_thread(
        Path(folder / "tokenizer.json").read_bytes
    )


async def fetched(world: World) -> dict[str, ModelArtifact | Reason]:
    """What the store says of every well-formed commitment, by label."""
    book = await book_of(world)
    found: dict[str, ModelArtifact | Reason] = {}
    for hotkey, commitment in book.well_formed.items():
        label = world.labels[hotkey]
        try:
            found[label] = await world.store.fetch(commitment, LIMITS[commitment.competition])
        except ModelRejected as rejected:
            found[label] = rejected.reason
        except ModelNotPublic:
            found[label] = Reason.NOT_PUBLIC
    return found


async def test_t01_t19_t22_the_store_names_each_attack_that_it_can_see(world: World) -> None:
    found = await fetched(world)
    seen = {label: reason for label, reason in found.items() if isinstance(reason, Reason)}
    expected = {
        Trick.COPY: Reason.DIGEST_MISMATCH,
        Trick.PICKLE: Reason.UNSAFE_FILE,
        Trick.HIDE: Reason.NOT_PUBLIC,
    }
    due = {m.name: expected[m.trick] for m in SMALL.miners if m.trick in expected}
    due |= {"c1-oversized": Reason.PARAMETERS, "c2-oversized": Reason.TOO_LARGE}
    assert seen == due


async def test_t04_the_clone_farms_tensors_are_the_winners(world: World) -> None:
    found = await fetched(world)
    digests = {k: a.tensor_digest for k, a in found.items() if isinstance(a, ModelArtifact)}
    clones = {m.name for m in SMALL.miners if m.expected is Reason.DUPLICATE}
    for label, digest in digests.items():
        twins = {other for other, same in digests.items() if same == digest} - {label}
        winner = f"{label[:2]}-honest-large"
        if label in clones:
            assert winner in twins
        else:
            assert twins <= (clones if label == winner else set())


def test_a_world_is_opened_again_without_being_built(world: World) -> None:
    events = Events()
    state_dir = world.repos.parents[1]
    again = build_world(state_dir, seed=SEED, emit=events, recipe=SMALL)
    assert again.labels == world.labels
    assert events.seen == []


def test_a_build_killed_while_the_chain_was_written_is_repeated(
    world: World, tmp_path: Path
) -> None:
    subprocess.run(["cp", "-r", str(world.repos.parent), str(tmp_path / "simnet")], check=True)
    chain = tmp_path / "simnet/chain.sqlite"
    chain.rename(tmp_path / "simnet/chain.partial.sqlite")
    (tmp_path / "simnet/published.json").unlink()
    rebuilt = build_world(tmp_path, seed=SEED, emit=Events(), recipe=SMALL)
    book, again = asyncio.run(book_of(world)), asyncio.run(book_of(rebuilt))
    assert again == book


def without_chain(world: World, folder: Path) -> Path:
    """A copy of the world's models, of which no chain has been made yet."""
    subprocess.run(["cp", "-r", str(world.repos.parent), str(folder / "simnet")], check=True)
    (folder / "simnet/chain.sqlite").unlink()
    return folder


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_the_clock_of_a_new_world_starts_at_the_given_time(world: World, tmp_path: Path) -> None:
    folder = without_chain(world, tmp_path)
    started = build_world(folder, seed=SEED, emit=Events(), recipe=SMALL, start_time=NOON)
    chain = started.open_chain()
    head = asyncio.run(chain.head())
    assert (head.number, asyncio.run(chain.timestamp(head))) == (HEAD, NOON)
    assert clock_of(started.chain_path) == (NOON - timedelta(seconds=12 * HEAD), HEAD)


async def test_rows_blocks_and_commitments_are_the_usual_ones_at_other_times(
    world: World, tmp_path: Path
) -> None:
    started = build_world(
        without_chain(world, tmp_path), seed=SEED, emit=Events(), recipe=SMALL, start_time=NOON
    )
    later = NOON - timedelta(seconds=12 * HEAD) - GENESIS_TIME
    trusted = frozenset(sender.hotkey(SEED) for sender in SENDERS)
    pools = []
    for one, since in ((world, GENESIS_TIME), (started, GENESIS_TIME + later)):
        feed = one.plugins[SOURCE].open({})
        assert isinstance(feed, LiveDataset)
        window = TimeWindow(
            since=since + timedelta(seconds=12 * 600), until=since + timedelta(seconds=12 * 1725)
        )
        pools.append(await feed.collect(PoolRequest(window=window, trusted=trusted)))
    usual, moved = ({s.content_hash for s in pool.samples} for pool in pools)
    assert len(usual) > 100
    assert moved == usual
    assert await book_of(started) == await book_of(world)


def test_a_world_keeps_its_clock(world: World, tmp_path: Path) -> None:
    folder = without_chain(world, tmp_path)
    for given in (NOON, NOON, None):
        again = build_world(folder, seed=SEED, emit=Events(), recipe=SMALL, start_time=given)
        assert clock_of(again.chain_path)[0] == NOON - timedelta(seconds=12 * HEAD)
    with pytest.raises(ValueError, match="its clock started at 2026-06-01T12:00:00Z: choose anot"):
        build_world(
            folder, seed=SEED, emit=Events(), recipe=SMALL, start_time=NOON + timedelta(hours=1)
        )


def test_without_a_start_time_every_world_has_the_same_clock(world: World) -> None:
    assert clock_of(world.chain_path) == (GENESIS_TIME, HEAD)
    assert datetime(2025, 1, 1, tzinfo=UTC) == GENESIS_TIME


def test_the_shipped_schedule_names_what_the_world_provides() -> None:
    schedule = load_schedule("simnet").schedule
    assert schedule.netuid == NETUID
    for stage in schedule.stages:
        rules = {competition.id: competition for competition in stage.competitions}
        assert rules[INSTRUCT].template == TEMPLATE
        assert rules[INSTRUCT].tokenizer == TokenizerRef(
            repo=TOKENIZER_REPO, revision=TOKENIZER_REVISION
        )
        assert rules[FREE].template is None
        assert rules[FREE].tokenizer is None
        assert {t.source.name for c in stage.competitions for t in c.tasks} == {SOURCE}
    first_round = schedule.timing.next_sync_block(HEAD)
    for miner in RECIPE.miners:
        competition = schedule.competition(miner.competition, miner.committed)
        assert competition is not None
        old_enough = first_round - (miner.reveal or miner.committed) >= competition.delay_blocks
        assert old_enough == (miner.expected is not Reason.TOO_EARLY)


def test_the_cast_has_three_honest_budgets_and_every_attack() -> None:
    for competition in (INSTRUCT, FREE):
        cast = [m for m in RECIPE.miners if m.competition == competition]
        budgets = {m.name: m.steps for m in cast if "honest" in m.name}
        assert len(budgets) >= 3
        assert max(budgets, key=lambda name: budgets[name]).endswith("honest-large")
        tricks = {m.trick for m in cast}
        only_one = MappingProxyType({Trick.HANG: FREE, Trick.BRANCH: INSTRUCT})
        due = {t for t in Trick if only_one.get(t, competition) == competition}
        assert tricks == due
        assert all(len(m.repo) - 1 <= 36 for m in cast)
