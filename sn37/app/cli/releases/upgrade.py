"""``sn37 upgrade``: stage signed releases beside the running one, switch to one and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options
from sn37.app.cli.terminal.reporting import report
from sn37.app.config.number_limits import MAX_MINUTES
from sn37.app.errors import CommandError, UsageError

if TYPE_CHECKING:
    from sn37.app.config.settings import Settings
    from sn37.app.upgrade.switch import Switcher
    from sn37.domain.release.release import Release
    from sn37.domain.release.upgrade import Switch

app = typer.Typer(
    name="upgrade",
    help="Install signed releases, switch to one, and return.",
    no_args_is_help=True,
)

Place = Annotated[
    str,
    typer.Argument(
        metavar="RELEASE",
        help="Document of a release, with metadata/ beside it: a file or an https address.",
    ),
]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="A staged release.")]
AllowDowngrade = Annotated[
    bool,
    typer.Option("--allow-downgrade", help="Accept a release older than the newest known here."),
]
Manager = Annotated[
    str, typer.Option(help="Program to call with stop or start, and the service's name.")
]
Service = Annotated[str, typer.Option(help="Name of the service.")]
Settle = Annotated[
    float,
    typer.Option(
        min=0, max=MAX_MINUTES, help="Minutes that the new release must be healthy without a break."
    ),
]
Deadline = Annotated[
    float,
    typer.Option(
        min=0, max=MAX_MINUTES, help="Minutes to wait for that; then the old release returns."
    ),
]


@app.command()
def check(
    release: Place,
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    release_root: options.ReleaseRoot = None,
    install_dir: options.InstallDir = None,
    allow_downgrade: AllowDowngrade = False,
    as_json: options.AsJson = False,
) -> None:
    """Check that a release could be staged here, and describe it; installs nothing.

    sn37 upgrade check https://releases.example.org/0.2.0.release
    """
    from sn37.app.wiring.upgrade import open_source, open_stager
    from sn37.domain.release.version import weights_version

    settings = _settings(dict(locals()))
    stager, source = open_stager(settings), open_source(settings, release)
    with stager.installation.lock():
        found = stager.judge(source.document(), downgrade=allow_downgrade)
    current = stager.installation.current()
    weights = weights_version(current)
    said = f"{_described(found)}; signed, would replace {current} with weights version {weights}"
    replaced = {"replaces": current, "replaces_weights_version": weights}
    report(_document(found) | replaced, said, as_json=as_json)


@app.command()
def stage(
    release: Place,
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    release_root: options.ReleaseRoot = None,
    install_dir: options.InstallDir = None,
    allow_downgrade: AllowDowngrade = False,
    as_json: options.AsJson = False,
) -> None:
    """Install a release beside the running one and try it on a copy of the state.

    The running validator is not touched.

    sn37 upgrade stage https://releases.example.org/0.2.0.release
    """
    from sn37.app.wiring.upgrade import open_source, open_stager

    settings = _settings(dict(locals()))
    stager = open_stager(settings)
    staged = stager.stage(open_source(settings, release), downgrade=allow_downgrade)
    following = f"sn37 upgrade switch {staged.version}"
    said = f"{_described(staged)}; staged: {following}"
    report(_document(staged) | {"next": following}, said, as_json=as_json)


@app.command()
def switch(
    version: Version,
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    health: options.Health = None,
    release_root: options.ReleaseRoot = None,
    install_dir: options.InstallDir = None,
    allow_downgrade: AllowDowngrade = False,
    even_if_unready: Annotated[
        bool,
        typer.Option(
            "--even-if-unready", help="Switch even if the running release is not healthy."
        ),
    ] = False,
    manager: Manager = "systemctl",
    service: Service = "sn37-validator",
    settle: Settle = 3.0,
    deadline: Deadline = 15.0,
    as_json: options.AsJson = False,
) -> None:
    """Switch to a staged release; return to the present one unless the new one is healthy.

    If it is interrupted, repeat the command: it continues. Exit code 1 after a return.

    sn37 upgrade switch 0.2.0 --health 127.0.0.1:8080
    """
    from sn37.app.wiring.upgrade import open_stager

    settings = _settings(dict(locals()))
    if settle > deadline:
        raise UsageError(f"--settle {settle:g} min is longer than --deadline {deadline:g} min")
    switcher = _switcher(settings, manager, service, settle, deadline)
    stager = open_stager(settings)
    if stager.installation.current() != version:  # else an interrupted switch continues
        stager.judge_staged(version, downgrade=allow_downgrade)
    _conclude(switcher.switch(version, unready=even_if_unready), as_json=as_json)


@app.command("return")
def give_back(
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    health: options.Health = None,
    install_dir: options.InstallDir = None,
    restore: Annotated[
        bool,
        typer.Option(
            "--restore", help="Also restore the state, if the old release cannot read it."
        ),
    ] = False,
    manager: Manager = "systemctl",
    service: Service = "sn37-validator",
    as_json: options.AsJson = False,
) -> None:
    """Return to the release that ran before the newest switch.

    sn37 upgrade return --restore
    """
    settings = _settings(dict(locals()))
    at = _switcher(settings, manager, service, 0, 0).give_back(restore=restore)
    report({"runs": at.old, "before": at.new}, f"{at.old} runs again", as_json=as_json)


@app.command()
def status(
    config: options.Config = None,
    install_dir: options.InstallDir = None,
    as_json: options.AsJson = False,
) -> None:
    """List the staged releases, and a switch that is not finished.

    sn37 upgrade status
    """
    from sn37.app.wiring.upgrade import open_installation

    installation = open_installation(_settings(dict(locals())))
    current, at = installation.current(), installation.switch()
    staged = [*installation.staged()]
    lines = [f"{version}{'  current' if version == current else ''}" for version in staged]
    if at is not None:
        lines.append(f"newest switch: {at.old} to {at.new}, {at.phase.value} {at.why}".rstrip())
    if at is not None and not at.phase.is_over:
        lines.append(f"not finished: sn37 upgrade switch {at.new}, or sn37 upgrade return")
    newest = at and {
        "old": at.old,
        "new": at.new,
        "phase": at.phase.value,
        "why": at.why,
        "is_over": at.phase.is_over,
    }
    document = {"current": current, "staged": staged, "newest_switch": newest}
    report(document, *lines, as_json=as_json)


@app.command()
def clean(
    keep: Annotated[int, typer.Option(min=1, help="Number of newest releases to keep.")],
    config: options.Config = None,
    install_dir: options.InstallDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Remove old releases; the current one and the one before it are always kept.

    sn37 upgrade clean --keep 3
    """
    from sn37.app.upgrade.stage import removable
    from sn37.app.wiring.upgrade import open_installation

    installation = open_installation(_settings(dict(locals())))
    with installation.lock():
        removed = [*removable(installation, keep=keep)]
        for version in removed:
            installation.remove(version)
            if not as_json:
                typer.echo(f"{version} removed")
    report({"removed": removed}, as_json=as_json)


def _settings(flags: dict[str, object]) -> Settings:
    from sn37.app.config.settings import Settings, load_settings

    return load_settings({name: v for name, v in flags.items() if name in Settings.model_fields})


def _switcher(
    settings: Settings, manager: str, service: str, settle: float, deadline: float
) -> Switcher:
    from sn37.app.wiring.upgrade import open_switcher

    return open_switcher(
        settings, manager=manager, unit=service, settle_s=60 * settle, deadline_s=60 * deadline
    )


def _described(release: Release) -> str:
    return (
        f"sn37 {release.version}, weights version {release.version_key}, state version "
        f"{release.schema}, valid until {release.expires_at:%Y-%m-%d %H:%M} UTC"
    )


def _document(release: Release) -> dict[str, object]:
    return {
        "version": release.version,
        "weights_version": release.version_key,
        "state_version": release.schema,
        "valid_until": release.expires_at.isoformat(),
    }


def _conclude(at: Switch, *, as_json: bool) -> None:
    """Print how a switch ended.

    Raises:
        CommandError: It ended by a return to the old release.
    """
    if at.why:
        raise CommandError(f"release {at.new}: {at.why}; {at.old} runs again")
    said = f"{at.new} runs; sn37 upgrade return goes back to {at.old}"
    report({"runs": at.new, "before": at.old}, said, as_json=as_json)
