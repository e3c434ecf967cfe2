"""``python -m sn37.app.validator``: follow the chain, score models, set weights."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from sn37.app.cli import options
from sn37.app.cli.run import run
from sn37.app.supervision.stop_signals import StopRequest

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def validator(
    config: options.Config = None,
    network: options.Network = None,
    endpoint: options.Endpoint = None,
    netuid: options.Netuid = None,
    wallet: options.Wallet = None,
    wallet_hotkey: options.WalletHotkey = None,
    wallet_path: options.WalletPath = None,
    state_dir: options.StateDir = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    threads: options.Threads = None,
    allow_weak_sandbox: options.AllowWeakSandbox = None,
    offline: options.Offline = None,
    seed: options.Seed = None,
    pace: options.Pace = None,
    start_time: options.StartTime = None,
    rounds: options.Rounds = None,
    schedule: options.ScheduleFile = None,
    keep_texts: options.KeepTexts = None,
    keep_history: options.KeepHistory = None,
    health: options.Health = None,
    leaderboard: options.Leaderboard = None,
    wandb: options.Wandb = None,
    cold_start_from: options.ColdStartFrom = None,
    log_level: options.LogLevel = None,
    json_file: options.JsonFile = None,
) -> int:
    """Follow the chain, score models, set weights.

    Stops cleanly on Ctrl-C and SIGTERM; the same command continues where it stopped.

    sn37 validator --network simnet --rounds 2
    sn37 validator --wallet NAME --wallet-hotkey default --health 127.0.0.1:9137
    """
    flags = dict(locals())
    with StopRequest() as stop:
        try:
            from sn37.app.config.settings import load_settings
            from sn37.app.wiring.validator_run import (
                run_validator,  # slow to import
            )

            return run_validator(load_settings(flags), stop)
        except KeyboardInterrupt:
            return 0  # stopped before the run began


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    return run(app, args, prog_name="python -m sn37.app.validator")
