"""Leaderboards on small records, for tests of pages with and without a browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sn37.adapters.sqlite.record_reader import SqliteRecordReader
from sn37.adapters.sqlite.state_store import SqliteStateStore
from sn37.adapters.telemetry.subnet_file import NAME as SUBNET_FILE
from sn37.adapters.telemetry.subnet_file import write_subnet
from sn37.app.leaderboard.block_times import BlockTimes
from sn37.app.leaderboard.leaderboard import Leaderboard
from sn37.domain.ids import Block, EntryKey, Hotkey, RoundKey
from sn37.domain.metagraph import Consensus, Metagraph, SubnetSnapshot
from sn37.domain.reasons import Reason
from sn37.domain.schedule.schedule import Schedule
from sn37.testing.builders import (
    CHAIN_START,
    a_block_ref,
    a_commitment,
    a_competition,
    a_model_ref,
    a_neuron,
    a_round_key,
    a_round_result,
    a_schedule,
    a_stage,
    a_submission,
    a_task,
    a_weights_record,
    an_entry_result,
    some_weights,
)
from sn37.testing.long_history import REIGN_ROUNDS, hotkey_of, write_long_history

EACH = REIGN_ROUNDS + 14  # rounds of each competition in the long record
SAMPLES = 16
TIMES = BlockTimes([(Block(0), CHAIN_START)])
HOSTILE_ROUND: RoundKey = a_round_key(1, 2_160)

HOSTILE = (
    "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">",
    "\u202egnp.exe",  # right-to-left override
    "\u2066\u2067isolate\u2069",
    "שלום عليكم",
    "x" * 10_000,
    "two\nlines\tand\x00nul\x1b[31m",
    "a\u200b\u200d\ufeffb",
    "é" + "\u0301" * 500,
    "{{ 7 * 7 }} {% raw %} ' \" &amp; javascript:alert(1)",
)


@dataclass(frozen=True)
class Recorded:
    """A record, and leaderboards on it."""

    path: Path
    schedule: Schedule

    def board(self) -> Leaderboard:
        found = Leaderboard(
            SqliteRecordReader(self.path),
            schedule=self.schedule,
            times=lambda: TIMES,
            network="test",
        )
        found.read_history()
        return found


@contextmanager
def served(state_dir: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run ``sn37 leaderboard`` on a record of simnet; yield its address and its process."""
    command = ["leaderboard", "--network", "simnet", "--state-dir", str(state_dir)]
    process = subprocess.Popen(
        [sys.executable, "-m", "sn37.app.main", *command, "--listen", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        yield process.stderr.readline().strip().rstrip("/"), process
    finally:
        process.kill()
        process.communicate()


def two_competitions() -> Schedule:
    task = a_task(num_samples=SAMPLES)
    return a_schedule(
        a_stage(
            a_competition(1, name="FIRST", reward_share=0.7, tasks=(task,)),
            a_competition(2, name="SECOND", reward_share=0.3, tasks=(task,)),
        )
    )


async def write_long(path: Path, schedule: Schedule | None = None) -> Recorded:
    """Write two competitions in which a second champion has reigned for fourteen rounds."""
    store, schedule = SqliteStateStore(path), schedule or two_competitions()
    await write_long_history(
        store, schedule, num_rounds=2 * EACH, num_miners=40, num_with_losses=25
    )
    await store.close()
    return Recorded(path, schedule)


def write_subnet_of(record: Recorded) -> None:
    """Write how the subnet of the long record looks: three validators, and its miners."""
    board = record.board()
    overview = board.overview()
    miners = sorted({s.model.hotkey for s in board.submissions(None).submissions})
    validators = [hotkey_of(f"validator-{n}") for n in range(3)]
    at = a_block_ref(overview.newest.block if overview.newest else 0)
    shares = {Hotkey(s.hotkey): s.share for s in overview.weights}
    neurons = [
        a_neuron(v, uid=n, stake_tao=90_000 / (n + 1), validator_permit=True, last_update=17_642)
        for n, v in enumerate(validators)
    ]
    neurons += [
        replace(a_neuron(m, uid=n), incentive=shares.get(Hotkey(m), 0.0))
        for n, m in enumerate(miners, start=len(validators))
    ]
    consensus = Consensus(
        at=at,
        weights={h: 0.96 * share for h, share in shares.items()},
        validator_trust={v: 0.99 - 0.02 * n for n, v in enumerate(validators)},
        own=shares,
    )
    metagraph = Metagraph(at=at, neurons=tuple(neurons))
    seen = SubnetSnapshot(validator=validators[1], metagraph=metagraph, consensus=consensus)
    write_subnet(record.path.with_name(SUBNET_FILE), seen)


async def write_hostile(
    store: SqliteStateStore, text: str, *, hotkey: str | None = None, key: RoundKey = HOSTILE_ROUND
) -> EntryKey:
    """Write a round whose champion has ``text`` in every field; return its key."""
    whose = Hotkey(f"5{text}" if hotkey is None else hotkey)
    commitment = a_commitment(whose, 100, model=a_model_ref(repo=text, revision=text))
    submission = replace(a_submission(commitment), detail=text, rejection=Reason.BAD_CONFIG)
    row = an_entry_result(commitment.key, repo=text, detail=text)
    result = a_round_result(key, champion=commitment.key, entries=(row,))
    await store.save_submissions([submission])
    await store.finish_round(result)
    weights = some_weights({str(whose): 1.0})
    await store.record_weights(a_weights_record(key.sync_block, weights=weights))
    return commitment.key


def crowned(reign: int, competition: int = 1) -> Hotkey:
    """Return the hotkey of a champion of the long record."""
    return hotkey_of(f"{competition}/crowned-{reign}")


def sync(number: int, schedule: Schedule) -> Block:
    """Return the sync block of a round of the long record."""
    begins = schedule.timing.next_sync_block(Block(schedule.timing.genesis + 1_800))
    return Block(begins + number * schedule.timing.cadence)
