"""Switch of the service from one release to another, and back.

Each phase is recorded before its steps begin, and every step may be repeated. So the next call
can finish or undo a switch that was killed at any moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sn37.app.upgrade.health_gate import Gate, fault
from sn37.domain.release.upgrade import Phase, Switch
from sn37.ports.errors import (
    PortError,
    ReleaseRefused,
    ServiceUnavailable,
    StateUnavailable,
    StateUnreadable,
)
from sn37.ports.releases import Installation, Installer, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Switcher:
    """Stops the service, backs up the state, changes the release, starts and watches it."""

    installation: Installation
    installer: Installer
    service: Service
    gate: Gate
    state_file: Path
    schema_of: Callable[[Path], int | None]
    tell: Callable[[str], None]

    def switch(self, version: str, *, unready: bool = False) -> Switch:
        """Switch to a staged release, or return to the one before; the phase says which.

        Args:
            unready: Switch even if the running validator is not healthy.

        Raises:
            ReleaseRefused: Another switch is not finished, or this one could not be judged.
            PortError: Nothing was changed, or the same call continues from here.
        """
        with self.installation.lock():
            at = self.installation.switch()
            if at is not None and at.phase is Phase.DONE and at.new == version:
                return at  # an earlier call was killed after its last step
            if at is None or at.phase.is_over:
                at = self._begin(version, unready=unready)
            elif version != at.new:
                raise ReleaseRefused(
                    f"the switch to {at.new} is not finished; sn37 upgrade switch {at.new} "
                    "finishes it, sn37 upgrade return undoes it"
                )
            return self._go_on(at)

    def give_back(self, *, restore: bool = False) -> Switch:
        """Return to the release that ran before the newest switch.

        Args:
            restore: Restore the copy of the state if the old release cannot read the present
                one; the copy lacks the rounds since then.

        Raises:
            ReleaseRefused: No switch was made, or the old release could not read the state.
            PortError: The same call continues from here.
        """
        with self.installation.lock():
            at = self.installation.switch()
            if at is None or at.phase is Phase.RETURNED:
                raise ReleaseRefused(
                    "no release to return to: no switch was made since the last return"
                )
            if at.phase is Phase.DONE and self._is_changed(at):
                self._require_restorable(at, wanted=restore)
            if at.phase is not Phase.RETURNING:
                at = self._record(at, Phase.RETURNING, why="requested")
            return self._go_on(at)

    def _require_restorable(self, at: Switch, *, wanted: bool) -> None:
        """Refuse a return without a usable copy of the state, before anything is stopped."""
        if not Path(at.backup).is_file():
            raise ReleaseRefused(
                f"release {at.old} cannot read the state, which {at.new} has migrated, and the "
                f"copy from before is missing: {at.backup}"
            )
        if not wanted:
            raise ReleaseRefused(
                f"release {at.old} cannot read the state, which {at.new} has migrated; --restore "
                f"replaces it by {at.backup}, without the rounds since then, and keeps the "
                "present one beside it"
            )

    def _begin(self, version: str, *, unready: bool) -> Switch:
        old, page = self.installation.current(), self.service.page()
        if version == old:
            raise ReleaseRefused(f"release {version} is already the current one")
        failing = frozenset[str]() if page is None else page.degraded
        trouble = fault(page, old, failing)
        if trouble and not unready:
            raise ReleaseRefused(
                f"the running validator is not healthy ({trouble}), so the new one could not be "
                "judged; --even-if-unready switches anyway"
            )
        schema, number = self.schema_of(self.state_file), 1
        if schema is None and page is not None:  # a running validator has one
            raise ReleaseRefused(
                f"no state to back up at {self.state_file}; name the validator's --state-dir, or "
                "its --config"
            )
        while (copy := self._copy(version, number)).exists():
            number += 1
        at = Switch(
            old=old,
            new=version,
            phase=Phase.PREPARING,
            backup="" if schema is None else str(copy),
            schema=schema,
            tolerated=tuple(sorted(failing)),
        )
        self.installation.record(at)
        return at

    def _go_on(self, at: Switch) -> Switch:
        if at.phase is Phase.PREPARING:
            at = self._prepare(at)
        if at.phase is Phase.SWITCHING:
            at = self._try(at)
        if at.phase is Phase.RETURNING:
            at = self._return(at)
        return at

    def _prepare(self, at: Switch) -> Switch:
        """Stop the old release, then copy the state."""
        self.tell(f"{at.old}: stopping")
        self.service.stop()
        if not at.backup:
            return self._record(at, Phase.SWITCHING)
        try:
            Path(at.backup).unlink(missing_ok=True)  # of an attempt that was killed
            self._run(at.old, "state", "backup", at.backup)
        except (PortError, OSError) as error:
            return self._record(at, Phase.RETURNING, why=f"the state was not copied: {error}")
        self.tell(f"state copied to {at.backup}")
        return self._record(at, Phase.SWITCHING)

    def _try(self, at: Switch) -> Switch:
        self.service.stop()  # an earlier attempt may have started it
        self.installation.point_at(at.new)
        self.tell(f"{at.new}: starting")
        try:
            self.service.start()
            why = self.gate.objection(at.new, frozenset(at.tolerated))
        except ServiceUnavailable as error:
            why = str(error)
        return self._record(at, Phase.RETURNING, why=why) if why else self._record(at, Phase.DONE)

    def _return(self, at: Switch) -> Switch:
        self.tell(f"{at.new}: {at.why}; returning to {at.old}")
        self.service.stop()
        self.installation.point_at(at.old)
        if self._is_changed(at):
            self._run(at.old, "state", "restore", at.backup)
            self.tell(f"state restored from {at.backup}; the one of {at.new} is kept beside it")
        self.service.start()
        return self._record(at, Phase.RETURNED, why=at.why)

    def _is_changed(self, at: Switch) -> bool:
        """True if the old release can no longer read the state.

        Otherwise the state is kept, so rounds of the new release are not lost.
        """
        if not at.backup:
            return False
        try:
            return self.schema_of(self.state_file) != at.schema
        except StateUnreadable:
            return True

    def _run(self, version: str, *arguments: str) -> None:
        code, output = self.installer.run(self.installation.folder(version), *arguments)
        if code != 0:
            said = (output.strip().splitlines() or ["no output"])[-1]
            raise StateUnavailable(f"sn37 {' '.join(arguments[:2])} of {version}: {said[:300]}")

    def _record(self, at: Switch, phase: Phase, *, why: str = "") -> Switch:
        at = replace(at, phase=phase, why=why)
        self.installation.record(at)
        return at

    def _copy(self, version: str, number: int) -> Path:
        return self.state_file.with_name(f"{self.state_file.name}.before-{version}-{number}")
