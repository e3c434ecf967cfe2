"""What the value of a setting may be."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode


def expanded(path: Path) -> Path:
    """The path with ~ replaced. A HOME that is no whole path is none; then the system says it.

    Raises:
        ValueError: No path, or nobody knows what ~ stands for.
    """
    if "\0" in str(path):
        raise ValueError("give a path without a NUL character")
    try:
        if path.parts[:1] == ("~",) and not Path(os.environ.get("HOME", "/")).is_absolute():
            return Path(pwd.getpwuid(os.getuid()).pw_dir, *path.parts[1:])
        return path.expanduser()
    except (KeyError, RuntimeError) as error:  # no HOME, and no such user
        raise ValueError(f"cannot tell what ~ stands for ({error.args[0]}); set HOME") from error


def _user_path(path: Path) -> Path:
    if path == Path():  # what an empty shell variable comes to
        raise ValueError("give a path other than the working directory itself")
    return expanded(path)


def _not_empty(name: str) -> str:
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise ValueError("give a name, without any folder")
    return name


_KEY = re.compile(r"[0-9a-f]{64}")


def _check_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(_KEY.fullmatch, keys)):
        raise ValueError("give ed25519 public keys, 64 hexadecimal digits each")
    return keys


UserPath = Annotated[Path, AfterValidator(_user_path)]
Name = Annotated[str, AfterValidator(_not_empty)]


def _check_network(network: str) -> str:
    if network in ("finney", "test", "local", "simnet") or _is_address(network):
        return network
    raise ValueError("give finney, test, local, simnet or a ws:// address")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_place = bool(parts.hostname) and parts.port != 0  # a port out of range raises
    except ValueError:
        return False
    return has_place and re.fullmatch(r"wss?://[^/\s]\S*", text) is not None


def _split(given: object) -> object:
    """A variable has its values in one line."""
    return given.replace(",", " ").split() if isinstance(given, str) else given


def _check_addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(_is_address, addresses)):
        raise ValueError("give ws:// or wss:// addresses")
    return addresses


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of "127.0.0.1:9137" or "[::1]:9137".

    Raises:
        ValueError: It is no such thing.
    """
    parts = urlsplit(f"//{address}")
    if not parts.hostname or parts.port is None or "@" in address or parts.netloc != address:
        raise ValueError(f"{address}: no host and port")
    return parts.hostname, parts.port


def _check_host_and_port(address: str) -> str:
    try:
        host_and_port(address)
    except ValueError as error:
        raise ValueError("give HOST:PORT, such as 127.0.0.1:9137") from error
    return address


HostAndPort = Annotated[str, AfterValidator(_check_host_and_port)]
NetworkName = Annotated[str, AfterValidator(_check_network)]
Addresses = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_split),
    AfterValidator(_check_addresses),
]
PublicKeys = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_split),
    AfterValidator(_check_keys),
]


def _split_paths(given: object) -> object:
    """A variable has its paths as ``PATH`` has them."""
    return [part for part in given.split(os.pathsep) if part] if isinstance(given, str) else given


UserPaths = Annotated[tuple[UserPath, ...], NoDecode, BeforeValidator(_split_paths)]
