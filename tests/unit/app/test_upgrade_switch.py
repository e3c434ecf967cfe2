"""Switching between releases: killed at any moment, it is finished or undone by the next call."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sn37.adapters.releases.folder import InstallFolder
from sn37.app.upgrade.health_gate import POLL_S, Gate
from sn37.app.upgrade.switch import Switcher
from sn37.domain.release.release import Release
from sn37.domain.release.upgrade import Page, Phase, Switch
from sn37.ports.errors import ReleaseRefused, ServiceUnavailable, StateUnreadable

OLD, NEW = "0.1.0", "0.2.0"


class Killed(BaseException):
    """The process is gone; no code of its own runs any more."""


@dataclass
class Machine:
    """A service, its state and its releases; whoever upgrades it may be killed at every effect."""

    root: Path
    is_good: bool = True  # the new release, once it runs
    starts: bool = True  # the new release does, at all
    migrates: bool = False  # the new release brings the state to a schema of its own
    running: str | None = OLD
    num_starts: int = 0
    elapsed: float = 0.0
    lives: list[int] = field(default_factory=list)  # effects until the next kills
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.root / "install" / "releases").mkdir(parents=True, mode=0o755)
        self.state_file.write_text(json.dumps({"schema": 1, "rounds": [360]}))
        self.installation = Folder(self)
        for version in (OLD, NEW):
            self.installation.folder(version).mkdir()
        InstallFolder.point_at(self.installation, OLD)
        self.installation.complete(NEW, b"signed")

    @property
    def state_file(self) -> Path:
        return self.root / "state.sqlite"

    @property
    def state(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.state_file.read_text())
        return found

    def schema_of(self, path: Path) -> int | None:
        if not path.exists():
            return None
        try:
            return int(json.loads(path.read_text())["schema"])
        except ValueError as error:
            raise StateUnreadable("damaged") from error

    @contextmanager
    def effect(self) -> Iterator[None]:
        """Something outside changes; a kill comes just before it, or just after."""
        self._live()
        yield
        self._live()

    def _live(self) -> None:
        if self.lives:
            self.lives[0] -= 1
            if self.lives[0] < 0:
                del self.lives[0]
                raise Killed

    # The service

    def stop(self) -> None:
        with self.effect():
            self.running = None

    def start(self) -> None:
        with self.effect():
            self.running = self.installation.current()
            self.num_starts += 1
            state = self.state
            if self.running == NEW and not self.starts:
                self.running = None
                raise ServiceUnavailable("systemctl start sn37-validator: failed")
            if self.running == NEW and self.migrates:
                state["schema"] = 2
            assert self.running == NEW or state["schema"] == 1, "the old release cannot read it"
            rounds = state["rounds"]
            assert isinstance(rounds, list)
            self.state_file.write_text(json.dumps({**state, "rounds": [*rounds, len(rounds)]}))

    def page(self) -> Page | None:
        if self.running is None:
            return None
        is_ready = self.running == OLD or self.is_good
        return Page(
            version=self.running,
            started_at=f"start {self.num_starts}",
            is_ready=is_ready,
            why="" if is_ready else "no block has been seen yet",
            degraded=frozenset(),
        )

    # The installer

    def install(self, folder: Path, release: Release, files: Path) -> None:
        raise AssertionError("nothing is installed by a switch")

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        yield self.root

    def run(self, folder: Path, *arguments: str) -> tuple[int, str]:
        assert self.running is None, "the state is in use"
        assert folder.name == OLD, "only the old release understands the copy"
        match arguments:
            case ("state", "backup", copy):
                if Path(copy).exists():
                    return 1, f"error: {copy} is there already"
                with self.effect():
                    shutil.copy(self.state_file, copy)
            case ("state", "restore", copy):
                with self.effect():
                    shutil.copy(copy, self.state_file)
            case _:
                raise AssertionError(arguments)
        return 0, ""

    def sleep(self, seconds: float) -> None:
        self._live()
        self.elapsed += seconds

    def switcher(self) -> Switcher:
        """As a fresh process has it."""
        gate = Gate(
            service=self,
            settle_s=2 * POLL_S,
            deadline_s=5 * POLL_S,
            monotonic=lambda: self.elapsed,
            sleep=self.sleep,
            tell=self.said.append,
        )
        return Switcher(
            installation=self.installation,
            installer=self,
            service=self,
            gate=gate,
            state_file=self.state_file,
            schema_of=self.schema_of,
            tell=self.said.append,
        )

    def until_alive(self, call: Callable[[], Switch]) -> tuple[Switch, int]:
        """Call again until nobody kills it; the result, and how often it was killed."""
        kills = 0
        while True:
            try:
                return call(), kills
            except Killed:
                kills += 1


class Folder(InstallFolder):
    """The real one, seen by a machine."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine.root / "install")
        self._machine = machine

    def point_at(self, version: str) -> None:
        assert self._machine.running is None, "programs of two releases would mix"
        with self._machine.effect():
            super().point_at(version)

    def record(self, switch: Switch) -> None:
        with self._machine.effect():
            super().record(switch)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def check_end(machine: Machine, at: Switch, expected: Phase) -> None:
    """Whatever happened on the way."""
    assert at.phase is expected
    assert machine.installation.switch() == at
    version = NEW if expected is Phase.DONE else OLD
    assert machine.running == machine.installation.current() == version
    assert machine.state["rounds"][0] == 360  # type: ignore[index]
    assert machine.state["schema"] == (2 if version == NEW and machine.migrates else 1)


def test_a_good_release_comes_into_service_and_keeps_the_state(machine: Machine) -> None:
    at = machine.switcher().switch(NEW)
    check_end(machine, at, Phase.DONE)
    assert json.loads(Path(at.backup).read_text()) == {"schema": 1, "rounds": [360]}


def test_one_that_is_not_ready_in_time_is_returned_from_with_its_reason(machine: Machine) -> None:
    machine.is_good = False
    at = machine.switcher().switch(NEW)
    check_end(machine, at, Phase.RETURNED)
    assert "no block has been seen yet" in at.why
    assert machine.elapsed <= 7 * POLL_S


def test_one_that_does_not_start_is_returned_from_at_once(machine: Machine) -> None:
    machine.starts = False
    at = machine.switcher().switch(NEW)
    check_end(machine, at, Phase.RETURNED)
    assert (machine.elapsed, at.why) == (0, "systemctl start sn37-validator: failed")


def test_a_return_keeps_the_rounds_of_the_new_release_when_the_old_one_can_read_them(
    machine: Machine,
) -> None:
    machine.is_good = False
    machine.switcher().switch(NEW)
    assert machine.state["rounds"] == [360, 1, 2]


def test_a_return_restores_the_copy_when_the_old_release_could_not_read_the_state(
    machine: Machine,
) -> None:
    machine.is_good, machine.migrates = False, True
    machine.switcher().switch(NEW)
    assert machine.state["rounds"] == [360, 1]


def test_a_state_that_the_new_release_has_damaged_is_restored(machine: Machine) -> None:
    machine.switcher().switch(NEW)
    machine.state_file.write_text("damaged")
    check_end(machine, machine.switcher().give_back(restore=True), Phase.RETURNED)


SCENARIOS: Mapping[str, tuple[Mapping[str, bool], Phase]] = {
    "good": ({}, Phase.DONE),
    "good, and migrates": ({"migrates": True}, Phase.DONE),
    "bad": ({"is_good": False}, Phase.RETURNED),
    "bad, and migrates": ({"is_good": False, "migrates": True}, Phase.RETURNED),
    "does not start": ({"starts": False}, Phase.RETURNED),
}


def a_machine(root: Path, scenario: str, *, lives: list[int]) -> Machine:
    machine = Machine(root, lives=lives)
    for name, value in SCENARIOS[scenario][0].items():
        setattr(machine, name, value)
    return machine


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_any_moment_the_same_command_finishes_or_returns(
    scenario: str, tmp_path: Path
) -> None:
    expected = SCENARIOS[scenario][1]
    for life in range(100):
        machine = a_machine(tmp_path / str(life), scenario, lives=[life])
        at, kills = machine.until_alive(lambda m=machine: m.switcher().switch(NEW))  # type: ignore[misc]
        check_end(machine, at, expected)
        if not kills:
            break
    assert 15 < life < 100


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_any_moment_a_return_undoes_it(scenario: str, tmp_path: Path) -> None:
    for life in range(100):
        machine = a_machine(tmp_path / str(life), scenario, lives=[life])
        try:
            machine.switcher().switch(NEW)
        except Killed:
            at = machine.installation.switch()
            if at is None:
                continue  # nothing was begun
            if at.phase is not Phase.RETURNED:
                at = machine.switcher().give_back(restore=True)
            check_end(machine, at, Phase.RETURNED)
        else:
            return
    pytest.fail("it was killed every time")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lives=st.lists(st.integers(0, 12), max_size=6),
    scenario=st.sampled_from(sorted(SCENARIOS)),
)
def test_killed_again_and_again_it_still_ends_where_it_should(
    lives: list[int], scenario: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected = SCENARIOS[scenario][1]
    machine = a_machine(tmp_path_factory.mktemp("machine"), scenario, lives=[*lives])
    at, _ = machine.until_alive(lambda: machine.switcher().switch(NEW))
    check_end(machine, at, expected)


def test_a_full_disk_at_the_copy_leaves_the_old_release_running(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "run", lambda *_: (1, "error: no space left on device\n"))
    at = machine.switcher().switch(NEW)
    check_end(machine, at, Phase.RETURNED)
    assert "no space left on device" in at.why


class TestRefusals:
    def test_the_current_release_is_not_switched_to(self, machine: Machine) -> None:
        with pytest.raises(ReleaseRefused, match="already the current one"):
            machine.switcher().switch(OLD)

    @pytest.mark.parametrize("spoil", ["stopped", "unready", "another"])
    def test_nothing_is_switched_while_the_old_one_is_not_well_unless_asked_for(
        self, spoil: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if spoil == "stopped":
            machine.running = None
        else:
            version = OLD if spoil == "unready" else "0.0.9"
            unready = a_page(version=version, is_ready=spoil != "unready", why="no block")
            pages = iter([unready, unready])
            real = machine.page
            monkeypatch.setattr(machine, "page", lambda: next(pages, None) or real())
        with pytest.raises(ReleaseRefused, match="is not healthy"):
            machine.switcher().switch(NEW)
        assert machine.installation.switch() is None
        check_end(machine, machine.switcher().switch(NEW, unready=True), Phase.DONE)

    def test_a_state_that_is_somewhere_else_is_noticed_before_anything_is_stopped(
        self, machine: Machine
    ) -> None:
        machine.state_file.rename(machine.root / "elsewhere")
        with pytest.raises(ReleaseRefused, match=r"no state to back up at .* --state-dir"):
            machine.switcher().switch(NEW)
        assert machine.running == OLD

    def test_a_switch_that_is_not_finished_comes_before_another(self, machine: Machine) -> None:
        machine.lives = [4]
        with pytest.raises(Killed):
            machine.switcher().switch(NEW)
        with pytest.raises(ReleaseRefused, match=r"switch to 0\.2\.0 is not finished"):
            machine.switcher().switch("0.3.0")

    def test_two_at_once_are_not_possible(self, machine: Machine) -> None:
        with machine.installation.lock(), pytest.raises(ReleaseRefused, match="another"):
            machine.switcher().switch(NEW)

    def test_rounds_are_given_up_only_when_that_was_said(self, machine: Machine) -> None:
        machine.migrates = True
        machine.switcher().switch(NEW)
        with pytest.raises(ReleaseRefused, match=r"--restore .* without the rounds since"):
            machine.switcher().give_back()
        assert machine.running == NEW
        check_end(machine, machine.switcher().give_back(restore=True), Phase.RETURNED)

    def test_nothing_is_stopped_for_a_copy_that_is_gone(self, machine: Machine) -> None:
        machine.migrates = True
        Path(machine.switcher().switch(NEW).backup).unlink()
        with pytest.raises(ReleaseRefused, match="the copy from before is missing"):
            machine.switcher().give_back(restore=True)
        assert machine.running == NEW

    def test_there_must_be_something_to_return_from(self, machine: Machine) -> None:
        with pytest.raises(ReleaseRefused, match="no switch"):
            machine.switcher().give_back()
        machine.switcher().switch(NEW)
        machine.switcher().give_back()
        with pytest.raises(ReleaseRefused, match="no switch"):
            machine.switcher().give_back()

    def test_whoever_else_may_write_to_the_folder_is_kept_out(self, machine: Machine) -> None:
        (machine.root / "install" / "releases").chmod(0o777)
        with pytest.raises(ReleaseRefused, match=r"others may write .* chmod go-w"):
            machine.switcher().switch(NEW)


def a_page(**changes: object) -> Page:
    fields: dict[str, object] = {
        "version": NEW,
        "started_at": "noon",
        "is_ready": True,
        "why": "",
        "degraded": frozenset(),
    }
    return Page(**{**fields, **changes})  # type: ignore[arg-type]


class Pages:
    """A service that says one thing after the other, the last one for ever."""

    def __init__(self, *pages: Page | None) -> None:
        self.pages = [*pages]

    def page(self) -> Page | None:
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]

    def stop(self) -> None: ...

    def start(self) -> None: ...


class TestGate:
    def objection(self, *pages: Page | None, tolerated: frozenset[str] = frozenset()) -> str:
        self.elapsed = 0.0
        gate = Gate(
            service=Pages(*pages),
            settle_s=3 * POLL_S,
            deadline_s=10 * POLL_S,
            monotonic=lambda: self.elapsed,
            sleep=partial(self.wait),
            tell=lambda _: None,
        )
        return gate.objection(NEW, tolerated)

    def wait(self, seconds: float) -> None:
        self.elapsed += seconds

    def test_well_for_long_enough_is_well(self) -> None:
        assert self.objection(None, None, a_page()) == ""
        assert self.elapsed == 5 * POLL_S

    @pytest.mark.parametrize(
        ("page", "why"),
        [
            (None, "no answer"),
            (a_page(version=OLD), "version 0.1.0 answers instead"),
            (a_page(is_ready=False, why="no block has been seen yet"), "no block"),
            (a_page(degraded=frozenset({"scoring"})), "scoring degraded"),
        ],
    )
    def test_anything_else_is_not_and_says_why(self, page: Page | None, why: str) -> None:
        assert why in self.objection(page)

    def test_what_failed_before_is_not_its_fault(self) -> None:
        page = a_page(degraded=frozenset({"models"}))
        assert self.objection(page, tolerated=frozenset({"models"})) == ""

    def test_weights_that_the_chain_does_not_take_now_are_nobody_s(self) -> None:
        assert self.objection(a_page(degraded=frozenset({"weights"}))) == ""

    def test_every_break_and_every_start_counts_from_the_beginning(self) -> None:
        self.objection(a_page(), a_page(), None, a_page())
        assert self.elapsed == 6 * POLL_S
        self.objection(a_page(), a_page(), a_page(started_at="one"))
        assert self.elapsed == 5 * POLL_S

    def test_one_that_starts_again_and_again_is_given_up(self) -> None:
        starts = [a_page(started_at=str(n)) for n in range(100)]
        assert f"not healthy for {3 * POLL_S:.0f} s within {10 * POLL_S:.0f} s" in self.objection(
            *starts
        )
