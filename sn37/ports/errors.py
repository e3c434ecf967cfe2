"""Errors that a port may raise.

* PortError
  x Unavailable          our side or the network; retry later, punish nobody
    - ChainUnavailable
    - StoreUnavailable   the model host
      + StoreFull        no room for the model; evict others and try again
    - ModelNotPublic     the repository cannot be read yet; miners publish after they commit
    - DatasetUnavailable
    - ScorerUnavailable
    - TrainerUnavailable
    - StateUnavailable   the disk refused
    - ReleaseUnavailable a release, or a package that it needs, is not available now
    - ServiceUnavailable the service manager does not start or stop the validator
    - ReceiptsUnavailable  what another validator publishes cannot be read
      + ReceiptsUnreachable  its server does not answer now, or changes while it is read
    - LeaderboardUnavailable  its server does not answer, or not in time
    - TrackerUnavailable an experiment tracker, such as wandb, does not take rows now
    - WebhookUnavailable the receiver of messages does not answer, or asks to wait
  x Rejected             the answer is no; retrying unchanged will not help
    - CommitmentRefused
    - WeightsRefused
    - SignerUnusable     no hotkey to sign with
    - ModelRejected      the miner's fault, with a reason code
    - PublishRefused     the model host does not take a miner's upload
    - TrainingRefused    a run cannot be trained as it is configured
    - DatasetExhausted
    - OfferRefused       the rounds that another validator publishes are not valid
    - LeaderboardRefused what a server answers is not a document of a leaderboard
    - WebhookRefused     the receiver does not take a message
    - StateUnreadable    the database is corrupt or newer than this program
    - ReleaseRefused     not signed, not what was signed, or not installable here

Adapters translate the exceptions of their library into these and chain the original with
``raise ... from``. Anything else that escapes an adapter is a bug.
"""

from __future__ import annotations

from sn37.domain.ids import Block
from sn37.domain.reasons import Reason


class PortError(Exception):
    """Base class of every error a port may raise."""


class Unavailable(PortError):
    """A dependency did not answer. ``retry_after_s`` is a hint in seconds."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


CONNECTION_ADVICE = "check the address, the network connection and the firewall"


class ChainUnavailable(Unavailable):
    """No endpoint answered, or the state asked for has been pruned."""


class StoreUnavailable(Unavailable):
    """The model host did not answer."""


class StoreFull(StoreUnavailable):
    """Neither the quota nor the disk has room for the model."""


class ModelNotPublic(Unavailable):
    """The repository is private or missing; hosts give the same answer for both."""


class DatasetUnavailable(Unavailable):
    """The data source did not answer, or not completely."""


class ScorerUnavailable(Unavailable):
    """The device, its driver or the worker failed; ``reason`` is device, disk or stalled."""

    def __init__(self, message: str, *, reason: Reason = Reason.DEVICE) -> None:
        super().__init__(message)
        self.reason = reason


class TrainerUnavailable(Unavailable):
    """The device is missing or full, or the disk failed; the same run can continue later."""


class TrackerUnavailable(Unavailable):
    """The tracker did not take all rows; those that it lacks are sent again later."""


class StateUnavailable(Unavailable):
    """The state cannot be written or read now: disk full, locked, or an I/O error."""


class ReleaseUnavailable(Unavailable):
    """A file of a release, or a package that it needs, could not be read or written."""


class ServiceUnavailable(Unavailable):
    """The service manager could not stop or start the validator."""


class ReceiptsUnavailable(Unavailable):
    """The place where another validator publishes its rounds cannot be read."""


class ReceiptsUnreachable(ReceiptsUnavailable):
    """The server does not answer, or what it has changed while it was read; worth another try."""


class LeaderboardUnavailable(Unavailable):
    """The server of a leaderboard does not answer, or not in time."""


class WebhookUnavailable(Unavailable):
    """The receiver of messages does not answer in time, or asks to wait."""


class Rejected(PortError):
    """A dependency answered, and the answer is no."""


class CommitmentRefused(Rejected):
    """The chain refused a commitment. ``code`` is the chain's machine name."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class WeightsRefused(Rejected):
    """The chain refused the weights. ``code`` is the chain's machine name.

    ``next_block`` is the first block at which the chain may accept them, where that is known.
    """

    def __init__(self, message: str, *, code: str, next_block: Block | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.next_block = next_block


class SignerUnusable(Rejected):
    """The hotkey's key file is missing, locked or invalid."""


class ModelRejected(Rejected):
    """The submission breaks the rules; the message says where."""

    def __init__(self, message: str, *, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class PublishRefused(Rejected):
    """An upload was refused by the model host, or here to protect the miner's weights."""


class TrainingRefused(Rejected):
    """A run cannot be trained as it is configured; the message says what to change."""


class DatasetExhausted(Rejected):
    """Fewer rows satisfy the request than it asked for."""

    def __init__(self, *, requested: int, available: int) -> None:
        super().__init__(f"asked for {requested} samples, {available} qualify")
        self.requested = requested
        self.available = available


class OfferRefused(Rejected):
    """The rounds that another validator publishes are not valid; the message says where."""


class LeaderboardRefused(Rejected):
    """An address, or what its server answers, is not that of a leaderboard."""


class WebhookRefused(Rejected):
    """The receiver of messages does not take this one."""


class StateUnreadable(Rejected):
    """Saved state exists but is corrupt or of another version; it is left untouched."""


class ReleaseRefused(Rejected):
    """A release is not signed, not what was signed, or not installable here."""
