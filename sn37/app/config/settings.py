"""Settings of an operator: wallet, network, paths, device. Never a number of the rules.

The first source that has a setting wins: flags, the environment (``SN37_...``), a TOML file
(``--config``), Bittensor's own variables (``BT_WALLET``, ...), defaults. Rules that all validators
must share are not settings; they are in the schedule, see ``sn37.app.schedule.load``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sn37.app.config import toml_lines
from sn37.app.config import toml_reader as toml_files
from sn37.app.config.number_limits import MAX_COUNT, MAX_DAYS, MAX_SEED, MAX_THREADS
from sn37.app.config.path_checks import is_file
from sn37.app.config.setting_types import (
    Addresses,
    HostAndPort,
    Name,
    NetworkName,
    ReceiptPlaces,
    StartTime,
    UserPath,
    WebhookAddress,
    WebhookKinds,
    expanded,
    is_this_machine,
)
from sn37.app.errors import CommandError, UsageError
from sn37.wrong_values import reason, shown

ENV_PREFIX = "SN37_"
BITTENSOR_VARIABLES = {
    "BT_NETWORK": "network",
    "BT_WALLET": "wallet",
    "BT_WALLET_HOTKEY": "wallet_hotkey",
    "BT_WALLET_PATH": "wallet_path",
}
SECRETS = frozenset({"webhook"})  # never shown
FLAGS = {"json_file": "--json"}  # settings whose flag has another name


def _default_state_dir(given: Mapping[str, Any]) -> Path:
    """Return one folder for each subnet, in the place of the XDG convention."""
    root = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        if not root.is_absolute():  # the convention ignores relative paths
            root = expanded(Path("~/.local/state"))
    except ValueError as error:
        raise UsageError("no home folder for the state; give --state-dir, or set HOME") from error
    name = f"{given.get('network', 'finney')}-{given.get('netuid', 37)}"
    return root / "sn37" / re.sub(r"[^A-Za-z0-9.]+", "-", name)


def _default_wallet_path() -> Path:
    """Return Bittensor's folder of wallets; with ~ if no home folder is known."""
    path = Path("~/.bittensor/wallets")
    try:
        return expanded(path)
    except ValueError:
        return path


class Settings(BaseSettings):
    """Everything an operator may choose, checked."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    config: UserPath | None = None  # the TOML file these were read from
    network: NetworkName = "finney"
    # More endpoints of the same chain, for comparison and as replacements.
    endpoint: Addresses = ()
    netuid: int = Field(default=37, ge=0, le=65535)
    wallet: Name | None = None
    wallet_hotkey: Name = "default"
    wallet_path: UserPath = Field(default_factory=_default_wallet_path, validate_default=False)
    state_dir: UserPath = Field(default_factory=_default_state_dir)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "bfloat16", "float32"] = (
        "auto"  # other than auto on simnet and local only
    )
    # CPU threads. Sums are split by this number and scores depend on it, so it is not taken from
    # the machine.
    threads: int = Field(default=1, ge=1, le=MAX_THREADS)
    allow_weak_sandbox: bool = False  # score even if the host has no Landlock or seccomp
    offline: bool = False  # follow and score, and never send anything to the chain
    seed: int = Field(default=0, ge=0, le=MAX_SEED)  # simnet only
    pace: Literal["virtual", "real"] = "virtual"  # simnet only
    start_time: StartTime = None  # of simnet's clock; None: the same date in every run
    rounds: int | None = Field(default=None, ge=1, le=MAX_COUNT)  # stop after so many; None: never
    schedule: UserPath | None = None  # never on finney
    keep_texts: int = Field(
        default=0, ge=0, le=MAX_COUNT
    )  # rounds of a competition whose samples are kept
    keep_history: int = Field(
        default=90, ge=1, le=MAX_DAYS
    )  # days; of older rounds only crowns are kept
    health: HostAndPort | None = None  # address of /healthz, /readyz, /metrics
    leaderboard: HostAndPort | None = None  # address of the pages for everybody
    wandb: bool = False  # send finished rounds to wandb
    # Address that gets messages. It lets everybody write there, so no text contains it.
    webhook: WebhookAddress | None = None
    webhook_format: Literal["auto", "json", "discord", "slack"] = "auto"  # auto: by its host
    webhook_kinds: WebhookKinds = ("crown", "degraded", "weights", "disk")
    # Rounds published by other validators, in folders or at https addresses; only an empty state
    # begins with them.
    cold_start_from: ReceiptPlaces = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    json_file: UserPath | None = None
    # Used by ``sn37 upgrade`` only.
    release_root: UserPath | None = None  # the maintainers' keys, as the operator trusts them
    install_dir: UserPath = Path("/opt/sn37")  # holds the releases

    @property
    def is_simnet(self) -> bool:
        return self.network == "simnet"

    @property
    def network_name(self) -> str:
        """Name of the network for people; of an address the host: the rest may be a key."""
        return (urlsplit(self.network).hostname or "") if "://" in self.network else self.network

    @property
    def is_for_trials(self) -> bool:
        """True if validators of the network need not all have the schedule that ships."""
        return self.network in ("simnet", "local", "test") or is_this_machine(self.network)

    @property
    def scorer_device(self) -> Literal["cpu", "cuda"]:
        """Device, with ``auto`` resolved: the CPU on simnet, where runs must repeat exactly."""
        if self.device != "auto":
            return self.device
        # The driver's file shows it without importing torch or opening the device.
        return "cuda" if not self.is_simnet and Path("/dev/nvidiactl").exists() else "cpu"

    @property
    def scorer_dtype(self) -> Literal["bfloat16", "float32"]:
        """Type that models are loaded as: bfloat16, but float32 for simnet's tiny models."""
        if self.dtype != "auto":
            return self.dtype
        return "float32" if self.is_simnet else "bfloat16"

    @property
    def state_file(self) -> Path:
        """The validator's database."""
        return self.state_dir / "state.sqlite"

    @property
    def simnet_chain_file(self) -> Path:
        """The database of the simulated chain; there is one if a simulated network was started."""
        return self.state_dir / "simnet" / "chain.sqlite"

    @property
    def hotkey_file(self) -> Path:
        """Key file of the hotkey, in Bittensor's folder of wallets."""
        return self.wallet_path / (self.wallet or "default") / "hotkeys" / self.wallet_hotkey

    @model_validator(mode="after")
    def _keep_the_rules_out_of_reach(self) -> Self:
        """Refuse settings that would make this validator score differently from all others."""
        if self.schedule is not None and not self.is_for_trials:
            raise ValueError(
                "schedule: only on simnet, local, test and addresses of this machine, not on "
                f"{self.network_name}: all validators share the schedule that ships"
            )
        for name, networks, why in (
            ("dtype", ("simnet", "local"), "all validators score in bfloat16"),
            ("seed", ("simnet",), "a real chain's block hashes seed the draws"),
            ("pace", ("simnet",), "a real chain has its own pace"),
            ("start_time", ("simnet",), "a real chain has its own clock"),
        ):
            if self.network not in networks and getattr(self, name) != _default(name):
                raise ValueError(
                    f"{name}: only on {' and '.join(networks)}, not on {self.network_name}: {why}"
                )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = _config_file(init_settings())
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, file),
            InitSettingsSource(settings_cls, _bittensor_environment()),
        )


def load_settings(flags: Mapping[str, object]) -> Settings:
    """Read settings from flags (``None``: not given), environment and the file ``config``.

    Raises:
        UsageError: A value is missing, unknown or wrong; says where it was given and the fix.
    """
    given = {name: value for name, value in flags.items() if value not in (None, [])}
    file = _config_file(given)
    lines = _lines_of_file(file) if file else {}
    if ("config",) in lines:
        raise UsageError(
            f"{file}, line {lines['config',]}: config: a settings file cannot name another; "
            "use --config or SN37_CONFIG"
        )
    _refuse_unknown_variables()
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        name, why = _explain(problem)
        raise UsageError(f"{_place(name, given, file, lines)}: {why}") from error


def require_wallet(settings: Settings) -> None:
    """Check that there is a hotkey to sign with; simnet makes its own.

    Raises:
        CommandError: No wallet was named, or its hotkey file does not exist; says how to make it.
    """
    if settings.is_simnet:
        return
    make = (
        f"make one with: btcli wallet create --wallet {settings.wallet or 'NAME'} "
        f"--wallet-hotkey {settings.wallet_hotkey}{_wallet_folder(settings)}"
    )
    if settings.wallet is None:
        raise CommandError(
            f"network {settings.network_name} needs a wallet: pass --wallet NAME, or {make}; "
            "to try without one: --network simnet",
            page="validator",
        )
    if not is_file(settings.hotkey_file, "hotkey"):
        raise CommandError(f"no hotkey at {settings.hotkey_file}; {make}", page="validator")


def _wallet_folder(settings: Settings) -> str:
    standard = settings.wallet_path == _default_wallet_path()
    return "" if standard else f" --wallet-path {settings.wallet_path}"


def _default(name: str) -> object:
    return Settings.model_fields[name].default


def _bittensor_environment() -> dict[str, Any]:
    return {
        name: value
        for variable, name in BITTENSOR_VARIABLES.items()
        if (value := os.environ.get(variable))
    }


def _refuse_unknown_variables() -> None:
    known = {name.upper() for name in Settings.model_fields}
    for variable in sorted(os.environ):
        name = variable.removeprefix(ENV_PREFIX)
        if variable.startswith(ENV_PREFIX) and name not in known:
            close = _close(name, known, prefix=ENV_PREFIX)
            raise UsageError(f"environment variable {variable}: unknown{close}")


def _config_file(given: Mapping[str, Any]) -> Path | None:
    name = given.get("config") or os.environ.get("SN37_CONFIG")
    try:
        return expanded(Path(str(name))) if name else None
    except ValueError as error:
        raise UsageError(f"--config {name}: {error}") from error


def _lines_of_file(path: Path) -> Mapping[toml_lines.Path, int]:
    try:
        text = toml_files.read_text(path)
        toml_files.parse(text)
    except toml_files.UnreadableToml as error:
        raise UsageError(f"--config {path}: {error}") from error
    except OSError as error:
        raise UsageError(
            f"--config {path}: {error.strerror or error}; name a TOML file of settings"
        ) from error
    return toml_lines.key_lines(text)


def _place(
    name: str, flags: Mapping[str, object], file: object, lines: Mapping[toml_lines.Path, int]
) -> str:
    """Return where a setting's value came from, for an error message."""
    if name in flags:
        return FLAGS.get(name, f"--{name.replace('_', '-')}")
    if (variable := ENV_PREFIX + name.upper()) in os.environ:
        return f"environment variable {variable}"
    if (line := toml_lines.line_of(lines, (name,))) is not None:
        return f"{file}, line {line}: {name}"
    found = [v for v, n in BITTENSOR_VARIABLES.items() if n == name and os.environ.get(v)]
    return f"environment variable {found[0]}" if found else name


def _explain(problem: ErrorDetails) -> tuple[str, str]:
    """Return the name of the wrong setting, and the reason."""
    message = reason(problem)
    if not problem[
        "loc"
    ]:  # a rule about several settings; its message begins with the one to change
        name, _, why = message.partition(": ")
        return name, why
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        return name, f"unknown setting{_close(name, Settings.model_fields)}"
    return name, message if name in SECRETS else f"{message}, not {shown(problem['input'])}"


def _close(name: str, known: Mapping[str, object] | set[str], *, prefix: str = "") -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""
