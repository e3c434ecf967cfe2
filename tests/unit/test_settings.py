"""What an operator may choose, where it may come from, and how a mistake is told."""

from __future__ import annotations

import os
import pwd
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import sn37
from sn37.app.config import requirements
from sn37.app.config.settings import Settings, load_settings, require_wallet
from sn37.app.errors import CommandError, UsageError
from sn37.app.wiring.wandb import destination_of


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in tuple(os.environ):
        if variable.startswith(("SN37_", "BT_")) or variable == "XDG_STATE_HOME":
            monkeypatch.delenv(variable)


def test_flags_win_over_variables_over_the_file_over_bittensor_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sn37.toml"
    file.write_text('wallet = "file"\nwallet_hotkey = "file"\nthreads = 3\nnetuid = 5\n')
    monkeypatch.setenv("BT_WALLET", "bittensor")
    monkeypatch.setenv("BT_NETWORK", "test")
    monkeypatch.setenv("SN37_WALLET_HOTKEY", "variable")
    monkeypatch.setenv("SN37_NETUID", "6")
    settings = load_settings({"config": file, "netuid": 7, "seed": None})
    assert settings.netuid == 7
    assert settings.wallet_hotkey == "variable"
    assert (settings.wallet, settings.threads) == ("file", 3)
    assert settings.network == "test"
    assert settings.device == "auto"


def test_the_file_may_be_named_by_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sn37.toml"
    file.write_text("netuid = 5\n")
    monkeypatch.setenv("SN37_CONFIG", str(file))
    assert load_settings({}).netuid == 5


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings({}).netuid = 1


def test_each_subnet_has_a_state_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib")
    folders = [
        load_settings({"network": network, "netuid": netuid}).state_dir
        for network in ("finney", "simnet", "ws://127.0.0.1:9944")
        for netuid in (37, 38)
    ]
    assert folders[0] == Path("/var/lib/sn37/finney-37")
    assert folders[4] == Path("/var/lib/sn37/ws-127.0.0.1-9944-37")
    assert len(set(folders)) == 6


@pytest.mark.parametrize(
    "network",
    ["simnet", "local", "test", "ws://127.0.0.1:9944", "ws://localhost:1", "ws://[::1]:9944"],
)
def test_networks_for_trials_take_a_schedule_of_ones_own(network: str) -> None:
    assert load_settings({"network": network, "schedule": "mine.toml"}).schedule is not None


def test_a_home_folder_is_spelled_out() -> None:
    assert load_settings({"state_dir": "~/x"}).state_dir == Path.home() / "x"


@pytest.mark.parametrize(
    ("flags", "variables", "said"),
    [
        (
            {"network": "mainnet"},
            {},
            "--network: expected finney, test, local, simnet or a ws:// address, not 'mainnet'",
        ),
        ({"rounds": 0}, {}, "--rounds: expected at least 1, not 0"),
        (
            {"device": "tpu"},
            {},
            "--device: expected 'auto', 'cpu' or 'cuda', not 'tpu'",
        ),
        (
            {},
            {"SN37_NETUID": "x"},
            "environment variable SN37_NETUID: expected a whole number, not 'x'",
        ),
        ({}, {"SN37_FOO": "1"}, "environment variable SN37_FOO: unknown"),
        (
            {},
            {"SN37_NETWRK": "test"},
            "environment variable SN37_NETWRK: unknown; did you mean SN37_NETWORK?",
        ),
        (
            {},
            {"BT_NETWORK": "no where"},
            "environment variable BT_NETWORK: expected finney, test, local, simnet or a ws:// "
            "address, not 'no where'",
        ),
        (
            {"schedule": "mine.toml"},
            {},
            "--schedule: only on simnet, local, test and addresses of this machine, not on finney: "
            "all validators share the schedule that ships",
        ),
        (
            {"schedule": "mine.toml", "network": "wss://entrypoint.example:443"},
            {},
            "--schedule: only on simnet, local, test and addresses of this machine, not on "
            "entrypoint.example: all validators share the schedule that ships",
        ),
        (
            {"network": "test"},
            {"SN37_DTYPE": "float32"},
            "environment variable SN37_DTYPE: only on simnet and local, not on test: "
            "all validators score in bfloat16",
        ),
        (
            {"network": "local", "seed": 3},
            {},
            "--seed: only on simnet, not on local: a real chain's block hashes seed the draws",
        ),
        (
            {"network": "local", "pace": "real"},
            {},
            "--pace: only on simnet, not on local: a real chain has its own pace",
        ),
        (
            {"config": "/nope.toml"},
            {},
            "--config /nope.toml: No such file or directory; name a TOML file of settings",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_fix(
    flags: dict[str, object],
    variables: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError) as caught:
        load_settings(flags)
    assert str(caught.value) == said
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nnetuid = 70000\n", ", line 2: netuid: expected at most 65535"),
        ("walet = 'x'\n", ", line 1: walet: unknown setting; did you mean wallet?"),
        (
            "# of this machine\nconfig = 'x'\n",
            ", line 2: config: a settings file cannot name another; use --config or SN37_CONFIG",
        ),
        ("netuid =\n", ": not TOML: Invalid value (at line 1, column 9)"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "sn37.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_settings({"config": file})
    assert f"{file}{said}" in str(caught.value)


@pytest.mark.parametrize("network", ["simnet", "local"])
def test_a_schedule_may_be_tried_where_nobody_else_scores(network: str) -> None:
    settings = load_settings({"network": network, "schedule": "mine.toml", "dtype": "float32"})
    assert (settings.schedule, settings.dtype) == (Path("mine.toml"), "float32")


def test_automatic_choices_are_the_cpu_and_float32_on_simnet() -> None:
    settings = load_settings({"network": "simnet"})
    assert (settings.scorer_device, settings.scorer_dtype) == ("cpu", "float32")


def test_real_networks_score_in_bfloat16() -> None:
    settings = load_settings({"device": "cuda"})
    assert (settings.scorer_device, settings.scorer_dtype) == ("cuda", "bfloat16")


def test_the_simulated_network_needs_no_wallet() -> None:
    settings = load_settings({"network": "simnet"})
    assert settings.wallet is None
    require_wallet(settings)


def test_a_missing_wallet_is_told_with_the_command_that_makes_one() -> None:
    with pytest.raises(CommandError) as caught:
        require_wallet(load_settings({}))
    assert "btcli wallet create --wallet NAME --wallet-hotkey default" in str(caught.value)
    assert "--network simnet" in str(caught.value)


def test_a_missing_hotkey_file_is_told_with_its_path(tmp_path: Path) -> None:
    settings = load_settings({"wallet": "me", "wallet_hotkey": "hot", "wallet_path": tmp_path})
    with pytest.raises(CommandError) as caught:
        require_wallet(settings)
    assert str(caught.value) == (
        f"no hotkey at {tmp_path}/me/hotkeys/hot; make one with: "
        f"btcli wallet create --wallet me --wallet-hotkey hot --wallet-path {tmp_path}"
    )


def test_a_hotkey_that_is_there_is_enough(tmp_path: Path) -> None:
    settings = load_settings({"wallet": "me", "wallet_path": tmp_path})
    hotkey = tmp_path / "me" / "hotkeys" / "default"
    hotkey.parent.mkdir(parents=True)
    with pytest.raises(CommandError, match="no hotkey at"):
        require_wallet(settings)
    hotkey.write_text("{}")
    assert settings.hotkey_file == hotkey
    require_wallet(settings)


def test_no_number_of_the_rules_is_a_setting() -> None:
    from sn37.app.schedule.competition_tables import CompetitionTable
    from sn37.app.schedule.tables import ScheduleTable, TimingTable

    rules = {
        name
        for table in (ScheduleTable, CompetitionTable, TimingTable)
        for name in table.model_fields
    }
    assert rules & set(Settings.model_fields) == {"netuid"}


def test_further_endpoints_come_from_flags_a_variable_or_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sn37.toml"
    file.write_text('endpoint = ["ws://file"]\n')
    assert load_settings({"endpoint": []}).endpoint == ()
    assert load_settings({"config": file}).endpoint == ("ws://file",)
    monkeypatch.setenv("SN37_ENDPOINT", "wss://a:443, ws://b")
    assert load_settings({"config": file}).endpoint == ("wss://a:443", "ws://b")
    assert load_settings({"endpoint": ["ws://flag"]}).endpoint == ("ws://flag",)


@pytest.mark.parametrize(
    "address",
    [
        "http://a",
        "ws://",
        "finney",
        "ws://a b",
        "ws://[::1",
        "ws://a:99999999",
        "ws://a:port",
        "ws://a:0",
        "ws://:9944",
        "ws://a\n",
    ],
)
def test_an_endpoint_that_is_no_address_is_refused_with_the_flag(address: str) -> None:
    with pytest.raises(UsageError, match=r"--endpoint: expected ws:// or wss:// addresses"):
        load_settings({"endpoint": [address]})
    with pytest.raises(UsageError, match=r"--network: expected finney, .* or a ws:// address"):
        load_settings({"network": address.replace("finney", "finne")})


@pytest.mark.parametrize("address", ["ws://[::1]:9944", "wss://user:key@a/path", "ws://a"])
def test_an_address_may_have_all_that_an_address_has(address: str) -> None:
    assert load_settings({"network": address}).network == address


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("finney", "finney"),
        ("wss://me:secret@node.example:443/secret?k=secret", "node.example"),
        ("ws://[::1]:9944/secret", "::1"),
    ],
)
def test_the_name_of_a_network_is_without_keys(network: str, name: str) -> None:
    settings = load_settings({"network": network})
    assert settings.network_name == name
    assert destination_of(settings, {}).project.count("secret") == 0
    with pytest.raises(CommandError) as raised:
        require_wallet(settings)
    assert f"network {name} needs a wallet" in str(raised.value)


def test_no_text_has_the_address_of_a_network() -> None:
    files = sorted(Path(sn37.__file__).parent.rglob("*.py"))
    quoting = [f for f in files if re.search(r"\{[\w.]*settings\.network[}!:]", f.read_text())]
    assert not quoting, "these quote settings.network, which may have a key; use network_name"


@pytest.mark.parametrize("name", ["state_dir", "schedule", "json_file", "wallet_path"])
def test_a_path_with_a_nul_is_refused_with_its_line(name: str, tmp_path: Path) -> None:
    file = tmp_path / "sn37.toml"
    file.write_text(f'network = "simnet"\n{name} = "a\\u0000b"\n')
    with pytest.raises(
        UsageError, match=rf"line 2: {name}: expected a path without a NUL .*'a\\x00b'"
    ):
        load_settings({"config": file})


def test_of_several_paths_none_has_a_nul(tmp_path: Path) -> None:
    file = tmp_path / "sn37.toml"
    file.write_text('cold_start_from = ["a", "b\\u0000"]\n')
    with pytest.raises(UsageError, match="line 1: cold_start_from: expected a path without a NUL"):
        load_settings({"config": file})


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("a:b", (Path("a"), Path("b"))),
        ("https://h:8443/rounds", ("https://h:8443/rounds/",)),
        ("https://h/a, /b  http://127.0.0.1:80/c/", ("https://h/a/", Path("/b"), "http://127.0.0.1:80/c/")),
        ("http://localhost/x http://[::1]:1/y", ("http://localhost/x/", "http://[::1]:1/y/")),
    ],
)  # fmt: skip
def test_rounds_of_others_are_in_folders_or_at_addresses(
    given: str, read: tuple[Path | str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SN37_COLD_START_FROM", given)
    assert load_settings({"network": "simnet"}).cold_start_from == read


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://example.org/rounds", "http is only for this machine"),
        ("ftp://example.org/rounds", "expected an address such as https://HOST/rounds"),
        ("file:///rounds", "expected an address such as"),
        ("https://", "expected an address such as"),
        ("https:///rounds", "expected an address such as"),
        ("https://h:99999/", "expected an address such as"),
        ("https://h:0/", "expected an address such as"),
        ("https://[h/", "expected an address such as"),
        ("https://h/a b", "expected an address such as"),
        ("https://h/\x1b[2J", "expected an address such as"),
        ("https://me:secret@h/", "without a password or a query"),
        ("https://h/?a=b", "without a password or a query"),
        ("https://h/#a", "without a password or a query"),
    ],
)
def test_an_address_of_rounds_is_https_and_nothing_else(address: str, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)) as caught:
        load_settings({"network": "simnet", "cold_start_from": [address]})
    assert str(caught.value).startswith("--cold-start-from: ")


def test_an_address_asks_for_its_client_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings({"network": "simnet", "cold_start_from": ["https://h/", "folder"]})
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    with pytest.raises(CommandError, match=r"https://h/: an address needs httpx2.*pip install"):
        requirements.require_web_client(settings)
    requirements.require_web_client(load_settings({"network": "simnet"}))


@pytest.mark.parametrize("root", ["", "state", "./state", "~/state"])
def test_a_state_home_that_is_no_whole_path_is_ignored(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", root)
    monkeypatch.setenv("HOME", "/home/validator")
    assert load_settings({}).state_dir == Path("/home/validator/.local/state/sn37/finney-37")


@pytest.mark.parametrize("home", ["", "validator", "."])
def test_a_home_that_is_no_whole_path_is_the_one_of_the_system(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Path(pwd.getpwuid(os.getuid()).pw_dir)
    monkeypatch.setenv("HOME", home)
    (known_file := tmp_path / "sn37.toml").write_text('json_file = "~/rounds.json"\n')
    settings = load_settings({"config": known_file})
    assert settings.state_dir == known / ".local/state/sn37/finney-37"
    assert settings.wallet_path == known / ".bittensor/wallets"
    assert settings.json_file == known / "rounds.json"


def test_without_any_home_it_has_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(UsageError, match="no home folder for the state; give --state-dir, or"):
        load_settings({})
    assert load_settings({"state_dir": "/s"}).wallet_path == Path("~/.bittensor/wallets")


JARGON = re.compile(
    r"\b(?:input|valid|parse|class|pydantic|tuple|integer|boolean|literal)\b", re.IGNORECASE
)
WRONG = ("3.5", '""', '"\\u0000"', "[3]", "[[]]", "{a = 1}", "nan", "2026-01-02", "-1")


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"config"}))
def test_a_wrong_value_of_any_setting_is_refused_in_plain_words(name: str, tmp_path: Path) -> None:
    file = tmp_path / "sn37.toml"
    first = "" if name == "network" else "network = 'simnet'"
    refused = []
    for value in WRONG:
        file.write_text(f"{first}\n{name} = {value}\n")
        try:
            load_settings({"config": file})
        except UsageError as error:
            refused.append(str(error).removeprefix(f"{file}, line 2: {name}: "))
    assert len(refused) > 2
    assert [r for r in refused if str(file) in r or JARGON.search(r) or "\n" in r] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("now", "now"),
        ("2026-06-01T12:00Z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        ("2026-06-01T14:00:00.5+02:00", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        ("2026-06-01", datetime(2026, 6, 1, tzinfo=UTC)),
    ],
)
def test_the_clock_of_simnet_may_start_now_or_at_a_time(
    given: str | None, expected: datetime | str | None
) -> None:
    settings = load_settings({"network": "simnet", "start_time": given})
    assert settings.start_time == expected


def test_a_settings_file_may_give_the_start_time_as_a_time(tmp_path: Path) -> None:
    file = tmp_path / "sn37.toml"
    file.write_text('network = "simnet"\nstart_time = 2026-06-01T12:00:00Z\n')
    assert load_settings({"config": file}).start_time == datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("given", ["", "soon", "12:00", "1750-01-01", "9999-12-31T23:59Z"])
def test_a_wrong_start_time_is_one_line(given: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings({"network": "simnet", "start_time": given})
    assert str(caught.value) == (
        f"--start-time: expected now, or a time such as 2026-01-02T12:00Z, not {given!r}"
    )


def test_only_the_clock_of_simnet_can_be_set() -> None:
    with pytest.raises(UsageError, match="--start-time: only on simnet, not on finney: a real"):
        load_settings({"start_time": "now"})
