"""Switching the service from one release to another, and back.

Each phase is written down before what it allows is begun, and every step may be done twice: a
switch that was killed at any moment is finished, or undone, by whoever asks for it next.
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
    """Stops, backs up, flips, starts, watches; and the same the other way round."""

    installation: Installation
    installer: Installer
    service: Service
    gate: Gate
    state_file: Path
    schema_of: Callable[[Path], int | None]
    tell: Callable[[str], None]

    def switch(self, version: str, *, unready: bool = False) -> Switch:
        """Bring a staged release into service, or return to the one before; which, says the phase.

        Args:
            unready: Also when the running validator is not well itself.

        Raises:
            ReleaseRefused: Another switch is not finished, or nothing can be told from this one.
            PortError: Nothing was changed, or the same call goes on from here.
        """
        with self.installation.lock():
            at = self.installation.switch()
            if at is not None and at.phase is Phase.DONE and at.new == version:
                return at  # whoever asked for it was killed after its last step
            if at is None or at.phase.is_over:
                at = self._begin(version, unready=unready)
            elif version != at.new:
                raise ReleaseRefused(
                    f"the switch to {at.new} is not finished; sn37 upgrade switch {at.new} goes on "
                    "with it, sn37 upgrade return undoes it"
                )
            return self._go_on(at)

    def give_back(self, *, restore: bool = False) -> Switch:
        """Return to the release of before the newest switch.

        Args:
            restore: Put the copy of the state back when the old release cannot read the present
                one; rounds since then are missing from it.

        Raises:
            ReleaseRefused: There is none to return to, or it could not read the state.
            PortError: The same call goes on from here.
        """
        with self.installation.lock():
            at = self.installation.switch()
            if at is None or at.phase is Phase.RETURNED:
                raise ReleaseRefused("there is no switch to return from")
            if at.phase is Phase.DONE and self._is_changed(at):
                self._require_restorable(at, wanted=restore)
            if at.phase is not Phase.RETURNING:
                at = self._record(at, Phase.RETURNING, why="asked for")
            return self._go_on(at)

    def _require_restorable(self, at: Switch, *, wanted: bool) -> None:
        """Before anything is stopped."""
        if not Path(at.backup).is_file():
            raise ReleaseRefused(
                f"release {at.old} cannot read the state, which {at.new} has brought up to date, "
                f"and the copy from before is gone: {at.backup}"
            )
        if not wanted:
            raise ReleaseRefused(
                f"release {at.old} cannot read the state, which {at.new} has brought up to date; "
                f"--restore puts {at.backup} in its place, without the rounds since then; the "
                "present one is kept beside it"
            )

    def _begin(self, version: str, *, unready: bool) -> Switch:
        old, page = self.installation.current(), self.service.page()
        if version == old:
            raise ReleaseRefused(f"release {version} is current already")
        failing = frozenset[str]() if page is None else page.degraded
        trouble = fault(page, old, failing)
        if trouble and not unready:
            raise ReleaseRefused(
                f"the running validator is not well ({trouble}), so that nothing could be told "
                "from the new one; --even-if-unready switches all the same"
            )
        schema, number = self.schema_of(self.state_file), 1
        if schema is None and page is not None:  # a validator that runs has one
            raise ReleaseRefused(
                f"there is no state at {self.state_file} to be kept safe; name the validator's "
                "--state-dir, or the --config that it has"
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
        """Stop the old release and copy the state, in which nothing changes any more."""
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
        self.service.stop()  # it may be up, when this was begun before
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
        """Whether the old release could no longer read the state.

        As long as it can, the state is left alone: rounds of the new release are not lost.
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
            said = (output.strip().splitlines() or ["it said nothing"])[-1]
            raise StateUnavailable(f"sn37 {' '.join(arguments[:2])} of {version}: {said[:300]}")

    def _record(self, at: Switch, phase: Phase, *, why: str = "") -> Switch:
        at = replace(at, phase=phase, why=why)
        self.installation.record(at)
        return at

    def _copy(self, version: str, number: int) -> Path:
        return self.state_file.with_name(f"{self.state_file.name}.before-{version}-{number}")
