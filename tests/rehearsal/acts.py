"""One rehearsal: what an operator does, from pinning the preset to a second validator."""

from __future__ import annotations

import json
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator, Mapping
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


async def pin(commands: Commands, warm_up: int | None, tell: Tell) -> LoadedSchedule:
    """Pin the preset for finney, and put the overlay on top of it.

    Args:
        warm_up: Rounds to be judged before weights are set; ``None`` for the preset's.
    """
    pinned = commands.folder / PINNED
    tell(await commands.sn37("schedule", "pin", "finney", "--output", str(pinned)))
    mine = commands.folder / MINE
    first = "" if warm_up is None else f"warmup_rounds = {warm_up}\n"
    mine.write_text(first + OVERLAY.read_text())
    loaded = load_schedule(mine, known_sources=None)
    preset = load_schedule("finney", known_sources=None)
    tell(f"fingerprint of the preset:    {preset.fingerprint}")
    tell(f"fingerprint of the rehearsal: {loaded.fingerprint}")
    changes = await commands.sn37("schedule", "diff", "finney", str(mine))
    (commands.folder / "changes.txt").write_text(changes)
    tell(f"{len(changes.splitlines())} values differ, see changes.txt")
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
        check = ("chain", "check", *self._commands.options[:4])
        for name in (FIRST, SECOND):
            self._tell(await self._commands.sn37(*check, "--wallet", name))
        await self._run({FIRST: ("--rounds", str(self._rounds))})
        await self._check_records(FIRST)
        published = self._commands.folder / "published"
        self._tell(
            await self._commands.sn37("receipts", "export", str(published), *self._of(FIRST))
        )
        for receipt in _newest_receipts(published):
            self._tell(await self._replay(FIRST, receipt))
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
        """Derive every decision of a validator again."""
        self._tell(await self._commands.sn37("audit", *self._of(name), *self._schedule()))

    async def _replay(self, name: str, receipt: Path) -> str:
        """Score the model of a receipt again, on samples from their source."""
        words = ("replay", str(receipt), *self._of(name), *self._schedule())
        return await self._commands.sn37(*words)

    def _of(self, name: str) -> tuple[str, ...]:
        network = self._commands.options[:2]
        return (*network, "--state-dir", str(self._commands.state(name)))

    def _schedule(self) -> tuple[str, ...]:
        return ("--schedule", str(self._commands.folder / MINE))

    def _report(self, name: str) -> Path:
        return self._commands.folder / f"{name}.json"


def _newest_receipts(published: Path) -> Iterator[Path]:
    """One receipt of each competition's newest round, of folders called "competition-block"."""
    newest: dict[str, Path] = {}
    for folder in sorted(published.iterdir(), key=lambda f: int(f.name.split("-")[1])):
        newest[folder.name.split("-")[0]] = folder
    for folder in newest.values():
        yield min(f for f in folder.iterdir() if f.name != "statement.json")
