"""One rehearsal: what an operator does, from pinning the preset to a second validator."""

from __future__ import annotations

import json
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sn37.app.schedule.load import LoadedSchedule, load_schedule
from tests.rehearsal.commands import Commands
from tests.rehearsal.journal import Journal
from tests.rehearsal.pacing import Pace
from tests.rehearsal.surroundings import Surroundings

OVERLAYS = Path(__file__).parent / "overlays"
PINNED, MINE = "pinned.toml", "rehearsal.toml"

Tell = Callable[[str], None]
Rounds = list[Mapping[str, Any]]


async def pin(
    commands: Commands, preset: str, changes: Mapping[str, int], tell: Tell
) -> LoadedSchedule:
    """Pin a preset, and put its overlay on top of it.

    Args:
        changes: Further values, by their keys at the top of a schedule.
    """
    pinned = commands.folder / PINNED
    tell(await commands.sn37("schedule", "pin", preset, "--output", str(pinned)))
    mine = commands.schedule
    more = "".join(f"{key} = {value}\n" for key, value in changes.items())
    mine.write_text(more + (OVERLAYS / f"{preset}.toml").read_text())
    loaded = load_schedule(mine)
    before = load_schedule(preset)
    tell(f"fingerprint of the preset:    {before.fingerprint}")
    tell(f"fingerprint of the rehearsal: {loaded.fingerprint}")
    differences = await commands.sn37("schedule", "diff", preset, str(mine))
    (commands.folder / "changes.txt").write_text(differences)
    tell(f"{len(differences.splitlines())} values differ, see changes.txt")
    return loaded


class Acts:
    """The validators' part of a rehearsal.

    Args:
        surroundings: ``None`` where chain, hub and wandb are real ones.
        names: Wallets of the two validators, which also name their states.
        rounds: Of each competition, before the second validator starts.
    """

    def __init__(
        self,
        commands: Commands,
        loaded: LoadedSchedule,
        surroundings: Surroundings | None,
        *,
        names: tuple[str, str],
        rounds: int,
        tell: Tell,
    ) -> None:
        self.names = names
        self._commands = commands
        self._loaded = loaded
        self._surroundings = surroundings
        self._rounds = rounds
        self._tell = tell

    async def play(self) -> None:
        """Run all acts; each raises when something is wrong."""
        first, second = self.names
        for name in self.names:
            words = ("chain", "check", *self._commands.chain, *self._schedule(), "--wallet", name)
            self._tell(await self._commands.sn37(*words))
        await self._run({first: ("--rounds", str(self._rounds))})
        await self._check_records(first)
        published = self._commands.folder / "published"
        export = ("receipts", "export", str(published), *self._of(first))
        self._tell(await self._commands.sn37(*export))
        for receipt in _newest_receipts(published):
            self._tell(await self._replay(first, receipt))
        more = ("--rounds", str(self._rounds + 1))
        await self._run({first: more, second: (*more, "--cold-start-from", str(published))})
        for name in self.names:
            await self._check_records(name)

    def reports(self) -> tuple[Rounds, Rounds]:
        """The rounds that the two validators have reported."""
        first, second = (json.loads(self._report(name).read_text()) for name in self.names)
        return first, second

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
        """Derive every decision of a validator again."""
        self._tell(await self._commands.sn37("audit", *self._of(name), *self._schedule()))

    async def _replay(self, name: str, receipt: Path) -> str:
        """Score the model of a receipt again, on samples from their source."""
        words = ("replay", str(receipt), *self._of(name), *self._schedule())
        return await self._commands.sn37(*words)

    def _of(self, name: str) -> tuple[str, ...]:
        return (*self._commands.network, "--state-dir", str(self._commands.state(name)))

    def _schedule(self) -> tuple[str, ...]:
        return ("--schedule", str(self._commands.schedule))

    def _report(self, name: str) -> Path:
        return self._commands.folder / f"{name}.json"


def _newest_receipts(published: Path) -> Iterator[Path]:
    """One receipt of each competition's newest round, of folders called "competition-block"."""
    newest: dict[str, Path] = {}
    rounds = (folder for folder in published.iterdir() if folder.is_dir())
    for folder in sorted(rounds, key=lambda f: int(f.name.split("-")[1])):
        newest[folder.name.split("-")[0]] = folder
    for folder in newest.values():
        yield min(f for f in folder.glob("*.json") if f.name != "statement.json")
