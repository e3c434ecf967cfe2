"""``sn37 audit``: derive every recorded decision again."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sn37.app.cli import options

if TYPE_CHECKING:
    from sn37.app.audit.auditor import AuditResult
    from sn37.app.audit.signers import SignedPair
    from sn37.app.cli.terminal.progress import Told
    from sn37.app.config.settings import Settings
    from sn37.domain.round.even_signers import Share


def audit(
    config: options.Config = None,
    network: options.Network = None,
    netuid: options.Netuid = None,
    state_dir: options.StateDir = None,
    schedule: options.ScheduleFile = None,
    signers: Annotated[
        bool, typer.Option(help="Show how the rows of each signer influence the newest crowns.")
    ] = False,
    as_json: options.AsJson = False,
) -> int:
    """Derive every recorded verdict, crown, standing and weight again from the receipts.

    A validator may be running. Exit code 1 when a record differs from what is derived.

    sn37 audit --state-dir STATE
    sn37 audit --signers --json
    """
    flags = {name: value for name, value in locals().items() if name not in ("as_json", "signers")}
    from sn37.app.cli.terminal.progress import counted
    from sn37.app.config.settings import load_settings
    from sn37.domain.canonical import as_json as as_json_value

    with counted("audit", quiet=as_json) as told:
        result = asyncio.run(_audit(load_settings(flags), by_signer=signers, told=told))
    if as_json:
        typer.echo(json.dumps(as_json_value(result), indent=2))
    else:
        for difference in result.differences:
            typer.echo(str(difference))
        for gone in result.forgotten:
            typer.echo(
                f"competition {gone.competition}: fully audited after round {gone.newest}; "
                f"records of the {gone.num_rounds:,} rounds up to it were removed, last on "
                f"{gone.at.isoformat(timespec='seconds')}; what is left of them is audited"
            )
        for pair in result.pairs:
            for line in lines_by_signer(pair):
                typer.echo(line)
        if signers and not result.pairs:
            typer.echo(
                "no champion has a predecessor or a challenger to be compared with yet; that takes "
                "more rounds"
            )
        found = f"{len(result.differences)} differences" if result.differences else "all follows"
        typer.echo(
            f"{result.rounds} rounds, {result.receipts} receipts, {result.weights} rows of "
            f"weights: {found}"
        )
    return 1 if result.differences else 0


def lines_by_signer(pair: SignedPair) -> Iterator[str]:
    """Yield a title, the deciding evidence, and one line for each signer of each task."""
    from sn37.domain.round.evidence import LOG_EVEN_LEVEL, LOG_LEVEL

    case = "took the crown from" if pair.took_the_crown else "against"
    nothing = "" if pair.signers else ": no row that both were scored on was signed"
    yield f"competition {pair.competition}: {pair.challenger} {case} {pair.champion}{nothing}"
    if pair.signers and pair.log_e is not None and pair.even_log_e is not None:
        yield (
            f"  evidence {pair.log_e:.1f} of {LOG_LEVEL:.1f}, with even signers "
            f"{pair.even_log_e:.1f} of {LOG_EVEN_LEVEL:.1f}"
        )
    for row in pair.signers:
        gain = row.gain
        left = "without it no row is left"
        if row.better is not None:
            left = f"without it {row.better:.2%} better, evidence {row.log_e:.1f}"
        yield (
            f"  {row.origin.task}  {row.origin.signer}  {gain.num_rows:,} rows  "
            f"gain {gain.gain:.2%}, on other rows {gain.others_gain:.2%}, {gain.z:+.1f} standard "
            f"errors{'; does not count' if row.is_odd else ''}; {_evened(row.share)}{left}"
        )


def _evened(share: Share | None) -> str:
    """Return by how much a signer's rows are cut so that it counts no more than the median one."""
    if share is None:
        return ""
    cut = f"{share.beyond:.2%} taken off" if share.beyond > 0 else "nothing taken off"
    return f"the median signer's is {share.median:.2%}, {cut}; "


async def _audit(settings: Settings, *, by_signer: bool, told: Told) -> AuditResult:
    from sn37.app.schedule.lookup import rules_of_network
    from sn37.app.wiring.container import container_for  # slow to import
    from sn37.app.wiring.networks import signature_check
    from sn37.app.wiring.recorded_network import require_same_network

    container = container_for(settings, rules_of_network(settings))
    require_same_network(container)
    verify = signature_check()
    with tempfile.TemporaryDirectory(prefix="sn37-audit-") as folder:
        copy = Path(folder, "state.sqlite")  # a consistent view while a validator writes
        container.back_up_state()(container.state_file(), copy)
        store = container.open_state(copy)
        try:
            auditor = container.auditor(store=store, verify=verify)
            return await auditor.run(by_signer=by_signer, told=told)
        finally:
            await store.close()
