"""One rehearsal: what an operator does, from pinning the preset to a second validator."""

from __future__ import annotations

import asyncio
import json
import shutil
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from pathlib import Path

from sn37.app.schedule.load import LoadedSchedule, load_schedule
from tests.rehearsal.commands import Commands
from tests.rehearsal.journal import Journal
from tests.rehearsal.pacing import Pace
from tests.rehearsal.surroundings import Surroundings

FIRST, SECOND = "first", "second"  # wallets of the two validators
OVERLAY = Path(__file__).parent / "overlay.toml"
PINNED, MINE = "pinned.toml", "rehearsal.toml"

Tell = Callable[[str], None]


async def pin(commands: Commands, overlay: Path, tell: Tell) -> LoadedSchedule:
    """Pin the preset for finney, and put the overlay on top of it."""
    pinned = commands.folder / PINNED
    tell(await commands.sn37("schedule", "pin", "finney", "--output", str(pinned)))
    mine = commands.folder / MINE
    shutil.copyfile(overlay, mine)
    loaded = load_schedule(mine, known_sources=None)
    preset = load_schedule("finney", known_sources=None)
    tell(f"the preset's fingerprint   {preset.fingerprint}")
    tell(f"the rehearsal's fingerprint {loaded.fingerprint}")
    return loaded


class Acts:
    """The validators' part of a rehearsal.

    Args:
        surroundings: ``None`` where chain, hub and wandb are real ones.
    """

    def __init__(
        self,
        commands: Commands,
        loaded: LoadedSchedule,
        surroundings: Surroundings | None,
        *,
        rounds: int,
        tell: Tell,
    ) -> None:
        self._commands = commands
        self._loaded = loaded
        self._surroundings = surroundings
        self._rounds = rounds
        self._tell = tell

    async def play(self) -> None:
        """Run all acts; each raises when something is wrong."""
        await self._run({FIRST: ("--rounds", str(self._rounds))})
        await self._check_records(FIRST)
        published = self._commands.folder / "published"
        self._tell(
            await self._commands.sn37("receipts", "export", str(published), *self._of(FIRST))
        )
        more = ("--rounds", str(self._rounds + 1))
        await self._run({FIRST: more, SECOND: (*more, "--cold-start-from", str(published))})
        for name in (FIRST, SECOND):
            await self._check_records(name)

    def report(self, name: str) -> list[dict[str, object]]:
        """The rounds that a validator has reported."""
        rounds: list[dict[str, object]] = json.loads(self._report(name).read_text())
        return rounds

    async def _run(self, words: Mapping[str, tuple[str, ...]]) -> None:
        """Run validators beside each other until they have their rounds."""
        processes = {
            name: await self._commands.validator(name, "--json", str(self._report(name)), *more)
            for name, more in words.items()
        }
        try:
            if self._surroundings is not None:
                journals = {name: Journal(self._commands.state(name)) for name in words}
                await self._follow(processes, journals)
            for name, process in processes.items():
                await process.wait()
                self._commands.require_done(name, process)
        finally:
            for process in processes.values():
                if process.returncode is None:
                    process.terminate()
                    await process.wait()

    async def _follow(
        self, processes: Mapping[str, Process], journals: Mapping[str, Journal]
    ) -> None:
        assert self._surroundings is not None
        by_journal = {id(journal): processes[name] for name, journal in journals.items()}
        for journal in journals.values():
            journal.look()
            journal.head = 0  # of an earlier run
            journal.first_head = 0
        pace = Pace(
            self._surroundings.node,
            self._loaded.schedule,
            is_running=lambda journal: by_journal[id(journal)].returncode is None,
        )
        await pace.follow(list(journals.values()))

    async def _check_records(self, name: str) -> None:
        """Derive every decision of a validator again, and score a receipt again."""
        self._tell(await self._commands.sn37("audit", *self._of(name), *self._schedule()))

    def _of(self, name: str) -> tuple[str, ...]:
        network = self._commands.options[:2]
        return (*network, "--state-dir", str(self._commands.state(name)))

    def _schedule(self) -> tuple[str, ...]:
        return ("--schedule", str(self._commands.folder / MINE))

    def _report(self, name: str) -> Path:
        return self._commands.folder / f"{name}.json"


async def in_time(acts: Acts, limit_s: float) -> None:
    """Play, but for no longer than a limit."""
    async with asyncio.timeout(limit_s):
        await acts.play()
