"""Types of settings, with checks of their values."""

from __future__ import annotations

import os
import pwd
import re
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from sn37.app.config.number_limits import YEARS

EXAMPLE_TIME = "2026-01-02T12:00Z"


def expanded(path: Path) -> Path:
    """Return the path with ~ replaced. A relative HOME is ignored; the user database is used.

    Raises:
        ValueError: The path has a NUL character, or the home folder is not known.
    """
    if "\0" in str(path):
        raise ValueError("expected a path without a NUL character")
    try:
        if path.parts[:1] == ("~",) and not Path(os.environ.get("HOME", "/")).is_absolute():
            return Path(pwd.getpwuid(os.getuid()).pw_dir, *path.parts[1:])
        return path.expanduser()
    except (KeyError, RuntimeError) as error:  # neither HOME nor such a user
        raise ValueError(f"home folder of ~ not found ({error.args[0]}); set HOME") from error


def _user_path(path: Path) -> Path:
    if path == Path():  # an empty shell variable gives this
        raise ValueError("expected a path other than the working directory itself")
    return expanded(path)


def _not_empty(name: str) -> str:
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise ValueError("expected a name without a folder")
    return name


UserPath = Annotated[Path, AfterValidator(_user_path)]
Name = Annotated[str, AfterValidator(_not_empty)]


def _check_network(network: str) -> str:
    if network in ("finney", "test", "local", "simnet") or _is_address(network):
        return network
    raise ValueError("expected finney, test, local, simnet or a ws:// address")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_place = bool(parts.hostname) and parts.port != 0  # a port out of range raises
    except ValueError:
        return False
    return has_place and re.fullmatch(r"wss?://[^/\s]\S*", text) is not None


def is_this_machine(network: str) -> bool:
    """True if a network is the address of a node on this machine."""
    if not _is_address(network):
        return False
    return _is_loopback(urlsplit(network).hostname or "")


def _split(given: object) -> object:
    """Split the values of an environment variable at commas and spaces."""
    return given.replace(",", " ").split() if isinstance(given, str) else given


def _check_addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(_is_address, addresses)):
        raise ValueError("expected ws:// or wss:// addresses")
    return addresses


def host_and_port(address: str) -> tuple[str, int]:
    """Return the two parts of "127.0.0.1:9137" or "[::1]:9137".

    Raises:
        ValueError: The address does not have this form.
    """
    parts = urlsplit(f"//{address}")
    if not parts.hostname or parts.port is None or "@" in address or parts.netloc != address:
        raise ValueError(f"{address}: expected HOST:PORT")
    return parts.hostname, parts.port


def _check_host_and_port(address: str) -> str:
    try:
        host_and_port(address)
    except ValueError as error:
        raise ValueError("expected HOST:PORT, for example 127.0.0.1:9137") from error
    return address


HostAndPort = Annotated[str, AfterValidator(_check_host_and_port)]
NetworkName = Annotated[str, AfterValidator(_check_network)]
Addresses = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_split),
    AfterValidator(_check_addresses),
]


def moment(text: str) -> datetime:
    """Return a time that people write; without an offset it is UTC.

    Raises:
        ValueError: The text is not a time, or one of another century.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"invalid time {text!r}: expected for example {EXAMPLE_TIME}") from error
    return _in_our_time(found, repr(text))


def _in_our_time(found: datetime, shown: str) -> datetime:
    if found.year not in YEARS:
        raise ValueError(f"{shown}: expected a time from {YEARS[0]} to {YEARS[-1]}")
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _start_time(given: object) -> object:
    """Check "now" or a time, which a TOML file may give as such; seconds are whole."""
    if given is None or given == NOW:
        return given
    if isinstance(given, datetime):
        return _in_our_time(given, str(given)).replace(microsecond=0)
    try:
        return moment(str(given)).replace(microsecond=0)
    except ValueError as error:
        raise ValueError(f"expected now, or a time such as {EXAMPLE_TIME}") from error


NOW: Literal["now"] = "now"
StartTime = Annotated[Literal["now"] | datetime | None, BeforeValidator(_start_time)]


def _check_webhook(address: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(address.get_secret_value())
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if is_valid and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
    ):
        return address
    raise ValueError("expected an https:// address, or one of this machine")


WebhookAddress = Annotated[SecretStr, AfterValidator(_check_webhook)]
WebhookKinds = Annotated[
    tuple[Literal["crown", "degraded", "weights", "disk"], ...], NoDecode, BeforeValidator(_split)
]


def _receipt_places(given: object) -> object:
    """Return folders as paths, and addresses as they are, checked.

    A variable separates folders as ``PATH`` does; with an address in it, by spaces or commas.
    """
    if isinstance(given, str):
        given = _split(given) if "://" in given else [p for p in given.split(os.pathsep) if p]
    if not isinstance(given, list | tuple):
        return given
    return [_receipt_place(place) if isinstance(place, str | Path) else place for place in given]


def _receipt_place(place: str | Path) -> str | Path:
    if isinstance(place, Path) or "://" not in place:
        return _user_path(Path(place))
    return _receipt_address(place)


def _receipt_address(address: str) -> str:
    """Return the address of a folder on a server, with a slash at its end."""
    expected = "expected an address such as https://HOST/rounds"
    try:
        parts = urlsplit(address)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise ValueError(expected) from error
    is_plain = address.isascii() and address.isprintable() and not re.search(r"[\s\\]", address)
    if not host or port == 0 or not is_plain or parts.scheme not in ("https", "http"):
        raise ValueError(expected)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"{expected}, without a password or a query")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError(f"{expected}; http is only for this machine")
    return f"{address.rstrip('/')}/"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


ReceiptPlaces = Annotated[tuple[Path | str, ...], NoDecode, BeforeValidator(_receipt_places)]
