"""Commands of sn37 as an operator types them, each a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TOLD_LINES = 30  # of what a failed command has written


class CommandFailed(Exception):
    """A command ended with another exit code than zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Commands with the same network and environment; ``folder`` gets what they write."""

    folder: Path
    variables: Mapping[str, str]
    network: tuple[str, ...]  # options that name the network and the subnet
    wallet_path: Path
    schedule: Path

    @property
    def chain(self) -> tuple[str, ...]:
        """Options of a command that reads the chain for a hotkey."""
        return (*self.network, "--wallet-path", str(self.wallet_path))

    async def sn37(self, *words: str) -> str:
        """Run ``sn37`` and return what it has written.

        Raises:
            CommandFailed: It failed.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "sn37.app.main", *words),
            env=self._environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        written, _ = await process.communicate()
        text = written.decode(errors="replace")
        if process.returncode:
            raise CommandFailed(f"sn37 {' '.join(words)}: exit {process.returncode}\n{text}")
        return text

    async def validator(self, name: str, *words: str) -> Process:
        """Start the validator of the wallet ``name``; its state is in a folder of that name."""
        with self.output(name).open("ab") as output:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "sn37.app.validator", *self.chain, "--schedule", str(self.schedule)),
                *("--wallet", name, "--state-dir", str(self.state(name)), *words),
                env=self._environment(),
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
            )

    def state(self, name: str) -> Path:
        return self.folder / "states" / name

    def output(self, name: str) -> Path:
        return self.folder / f"{name}.out"

    def require_done(self, name: str, process: Process) -> None:
        """Check that a validator ended with exit code zero.

        Raises:
            CommandFailed: It failed; the message has the last lines that it wrote.
        """
        if process.returncode:
            lines = self.output(name).read_text(errors="replace").splitlines()[-TOLD_LINES:]
            told = "\n".join(lines)
            raise CommandFailed(f"validator {name}: exit {process.returncode}\n{told}")

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}
