"""What the SDK raises, told apart and put into one line.

An SDK error is one of three things: the endpoint failed (it refused, dropped, was mute or
answered nonsense; another endpoint may do better), it answered that it cannot say (no such
block, state pruned), or the chain answered no. Only the last is about the caller's request.
"""

from __future__ import annotations

from math import isfinite
from urllib.parse import urlsplit

import bittensor as bt
from bittensor._transport.errors import StorageFunctionNotFound

from sn37.domain.printable import one_line

MAX_ERROR_CHARS = 200  # of a stranger's text in one of our messages
LONGEST_RETRY_AFTER_S = 600.0  # an endpoint may ask for more; then we ask again before

# What decoding an answer of the wrong shape raises inside the SDK.
NONSENSE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
ENDPOINT_FAILURES = (bt.RpcConnectionError, bt.ConnectionNotReady, OSError)

_NO_RUNTIME_CALL = "not found in registry"  # what the SDK says before it asks
_PRUNED = ("State discarded for", "State already discarded")
_NO_BLOCK = ("no block at height", "no header for", "Block not found", "Header was not found")


def clean(text: object) -> str:
    """One printable line of a stranger's text, at most ``MAX_ERROR_CHARS`` long."""
    return one_line(str(text), MAX_ERROR_CHARS)


def endpoint_name(address: str) -> str:
    """Host and port of an endpoint: its path and user name may be a secret access key."""
    parts = urlsplit(address)
    return parts.netloc.rpartition("@")[2] or address


def is_answer(error: bt.BittensorError) -> bool:
    """Whether this is an answer, of the endpoint or of the SDK, and not a lost connection.

    The SDK reports some lost connections as ``ChainError``; no JSON-RPC error lies beneath.
    """
    if isinstance(error, (bt.RpcConnectionError, bt.ConnectionNotReady)):
        return False
    cause = error.__cause__
    said = getattr(cause, "payload", None) is not None
    return cause is None or said or lacks_block(error) or is_pruned(error)


class RuntimeLacks(bt.BittensorError):
    """The chain's runtime has no such storage item or runtime call: an answer, not a failure."""


def lacks_item(error: BaseException) -> bool:
    """Whether the SDK found that the runtime's metadata do not have what was asked for."""
    return isinstance(error, StorageFunctionNotFound) or (
        isinstance(error, ValueError) and _NO_RUNTIME_CALL in str(error)
    )


def lacks_block(error: BaseException) -> bool:
    """Whether the endpoint does not have the block, or not yet."""
    return any(sign in str(error) for sign in _NO_BLOCK)


def explain(error: BaseException) -> str:
    """One clear line on why a call failed, and what to do where there is something to do."""
    text = str(error)
    if is_pruned(error):
        return (
            "the state of this block is no longer kept there (pruned); add an archive endpoint "
            "with --endpoint"
        )
    if isinstance(error, NONSENSE):
        return f"answered nonsense ({type(error).__name__}: {clean(text)})"
    return clean(text) or type(error).__name__


def retry_after_s(error: BaseException) -> float:
    """How long the endpoint asked to be left alone, in seconds; 0 when it did not."""
    if not isinstance(error, bt.RpcPolicyError) or error.retry_after is None:
        return 0.0
    try:
        seconds = float(error.retry_after)
    except ValueError:  # HTTP allows a date as well
        return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S) if isfinite(seconds) else 0.0


def is_pruned(error: BaseException) -> bool:
    """Whether the endpoint no longer keeps the state of this block."""
    return any(sign in str(error) for sign in _PRUNED)
