"""Errors of the SDK, classified and put into one line.

An SDK error is one of three things. The endpoint failed: it refused, dropped, was silent or
sent an invalid answer, and another endpoint may work. The endpoint has no answer: no such
block, or its state is pruned. The chain refused. Only the last concerns the caller's request.
"""

from __future__ import annotations

import os
import re
from math import isfinite
from urllib.parse import urlsplit

import bittensor as bt
from bittensor._transport.errors import StorageFunctionNotFound

from sn37.domain.printable import one_line

MAX_ERROR_CHARS = 200  # of external text in one of our messages
LONGEST_ENDPOINT_WAIT_S = 600.0  # upper limit of an endpoint's request to wait

# Errors that the SDK raises on decoding an answer of the wrong form.
NONSENSE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
ENDPOINT_FAILURES = (bt.RpcConnectionError, bt.ConnectionNotReady, OSError)

_NO_RUNTIME_CALL = "not found in registry"  # raised by the SDK before sending
_PRUNED = ("State discarded for", "State already discarded")
# The SDK's text ends with the system's, once for each address that was tried.
_NOT_CONNECTED = re.compile(r"could not connect to any endpoint: .*?\[Errno (\d+)\]")
_NO_BLOCK = ("no block at height", "no header for", "Block not found", "Header was not found")


def clean(text: object) -> str:
    """Return one printable line of external text, at most ``MAX_ERROR_CHARS`` long."""
    return one_line(str(text), MAX_ERROR_CHARS)


def endpoint_name(address: str) -> str:
    """Return host and port of an endpoint: its path and user name may be a secret access key."""
    parts = urlsplit(address)
    return parts.netloc.rpartition("@")[2] or address


def is_answer(error: bt.BittensorError) -> bool:
    """True if the endpoint or the SDK answered, and the connection was not lost.

    The SDK raises ``ChainError`` for some lost connections; their cause is not a JSON-RPC error.
    """
    if isinstance(error, (bt.RpcConnectionError, bt.ConnectionNotReady)):
        return False
    cause = error.__cause__
    said = getattr(cause, "payload", None) is not None
    return cause is None or said or lacks_block(error) or is_pruned(error)


class RuntimeLacks(bt.BittensorError):
    """The chain's runtime has no such storage item or runtime call: an answer, not a failure."""


def lacks_item(error: BaseException) -> bool:
    """True if the SDK did not find the requested item in the runtime's metadata."""
    return isinstance(error, StorageFunctionNotFound) or (
        isinstance(error, ValueError) and _NO_RUNTIME_CALL in str(error)
    )


def lacks_block(error: BaseException) -> bool:
    """True if the endpoint does not have the block, or not yet."""
    return any(sign in str(error) for sign in _NO_BLOCK)


def explain(error: BaseException) -> str:
    """Return one line that says why a call failed, and what to do if possible."""
    text = str(error)
    if is_pruned(error):
        return (
            "the endpoint no longer keeps the state of this block (pruned); add an archive "
            "endpoint with --endpoint"
        )
    if match := _NOT_CONNECTED.search(text):
        return f"cannot connect: {os.strerror(int(match[1]))}"
    if isinstance(error, NONSENSE):
        return f"sent an invalid answer ({type(error).__name__}: {clean(text)})"
    return clean(text) or type(error).__name__


def retry_after_s(error: BaseException) -> float:
    """Return the seconds that the endpoint asked to wait; 0 if it did not ask."""
    if not isinstance(error, bt.RpcPolicyError) or error.retry_after is None:
        return 0.0
    try:
        seconds = float(error.retry_after)
    except ValueError:  # HTTP allows a date as well
        return 0.0
    return min(max(seconds, 0.0), LONGEST_ENDPOINT_WAIT_S) if isfinite(seconds) else 0.0


def is_pruned(error: BaseException) -> bool:
    """True if the endpoint no longer keeps the state of this block."""
    return any(sign in str(error) for sign in _PRUNED)
