"""Table of reason codes: why a submission was not scored, and what its miner can do.

Codes are stable: they appear in receipts, pages and documents. Extend the table, never
rename a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Blame(StrEnum):
    """Who is at fault for a reason."""

    MINER = "miner"
    OURS = "ours"
    NOBODY = "nobody"


class Reason(StrEnum):
    """Why an entry has the verdict it has."""

    TOO_EARLY = "too_early"
    NOT_PUBLIC = "not_public"
    NOT_REGISTERED = "not_registered"
    REGISTERED_LATER = "registered_later"
    COPIED_COMMITMENT = "copied_commitment"
    MALFORMED_COMMITMENT = "malformed_commitment"
    INACTIVE_COMPETITION = "inactive_competition"
    CHALLENGE_LIMIT = "challenge_limit"
    DUPLICATE = "duplicate"
    UNSAFE_FILE = "unsafe_file"
    TOO_MANY_FILES = "too_many_files"
    TOO_LARGE = "too_large"
    BAD_HEADER = "bad_header"
    BAD_CONFIG = "bad_config"
    ARCHITECTURE = "architecture"
    PARAMETERS = "parameters"
    TOKENIZER = "tokenizer"
    TEMPLATE = "template"
    DIGEST_MISMATCH = "digest_mismatch"
    NON_FINITE = "non_finite"
    NORM = "norm"
    UNLOADABLE = "unloadable"
    UNSOUND = "unsound"
    IMPLAUSIBLE = "implausible"
    UNDEFENDED = "undefended"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    GATED = "gated"
    UNAVAILABLE_REPO = "unavailable_repo"
    HUB_UNAVAILABLE = "hub_unavailable"
    DATA_UNAVAILABLE = "data_unavailable"
    DEVICE = "device"
    OVERRUN = "overrun"
    ABSENT = "absent"
    DISK = "disk"
    STALLED = "stalled"
    RACED_OUT = "raced_out"
    QUEUED = "queued"

    @property
    def blame(self) -> Blame:
        """Who is at fault; decides whether and how often to evaluate again."""
        return _BLAME.get(self, Blame.MINER)

    @property
    def meaning(self) -> str:
        """One line for the miner: what is wrong; what to do."""
        return MEANINGS[self]

    @property
    def remedy(self) -> str:
        """The second half of the line: what to do."""
        return MEANINGS[self].partition("; ")[2]


_BLAME: Mapping[Reason, Blame] = MappingProxyType(
    {
        Reason.HUB_UNAVAILABLE: Blame.OURS,
        Reason.DATA_UNAVAILABLE: Blame.OURS,
        Reason.DEVICE: Blame.OURS,
        Reason.OVERRUN: Blame.OURS,
        Reason.ABSENT: Blame.OURS,
        Reason.DISK: Blame.OURS,
        Reason.STALLED: Blame.OURS,
        Reason.RACED_OUT: Blame.NOBODY,
        Reason.QUEUED: Blame.NOBODY,
    }
)

# Faults of the validator that a model can cause. A download under way is not one of them.
OF_THE_WORKER = frozenset({Reason.DEVICE, Reason.STALLED})

MEANINGS: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.TOO_EARLY: "the commitment is younger than the competition's delay; "
        "wait for a later round",
        Reason.NOT_PUBLIC: "the repository cannot be read yet; make it public",
        Reason.NOT_REGISTERED: "the hotkey is not registered on the subnet; register it",
        Reason.REGISTERED_LATER: "the commitment is older than the registration; commit again",
        Reason.COPIED_COMMITMENT: "the hash belongs to another hotkey; commit a model of your own",
        Reason.MALFORMED_COMMITMENT: "the text on chain cannot be read; see docs/protocol.md",
        Reason.INACTIVE_COMPETITION: "the competition is not active; see sn37 schedule show",
        Reason.CHALLENGE_LIMIT: "only one challenge per hotkey, competition and day; wait",
        Reason.DUPLICATE: "an earlier commitment holds the same tensors; train further",
        Reason.UNSAFE_FILE: "a file is of a kind that validators do not read; "
        "keep only the files listed in docs/miner.md",
        Reason.TOO_MANY_FILES: "the repository lists more than 128 files; use fewer shards",
        Reason.TOO_LARGE: "the files are larger than allowed; use a smaller model or bfloat16",
        Reason.BAD_HEADER: "a safetensors header is malformed; save the model again",
        Reason.BAD_CONFIG: "a JSON file is malformed, out of bounds or asks for code; correct it",
        Reason.ARCHITECTURE: "the architecture is not allowed; see sn37 schedule show",
        Reason.PARAMETERS: "the number of parameters is outside the limits; see sn37 schedule show",
        Reason.TOKENIZER: "the tokenizer is random, unusable or lossy; save the model's own again",
        Reason.TEMPLATE: "the template must render prompt and response verbatim, in order; fix it",
        Reason.DIGEST_MISMATCH: "the files differ from the committed ones; commit again",
        Reason.NON_FINITE: "a weight or a loss is NaN or infinite; use a lower learning rate or "
        "clip gradients",
        Reason.NORM: "a weight's norm exceeds the competition's limit; train with weight decay",
        Reason.UNLOADABLE: "transformers cannot load the model unchanged; save it again",
        Reason.UNSOUND: "its losses are not those of a causal language model; "
        "score it with sn37 check and train a plain model",
        Reason.IMPLAUSIBLE: "its loss is lower than any model reaches on such text; "
        "do not train on the answers",
        Reason.UNDEFENDED: "it failed in too many rounds while it held the crown; "
        "find the cause and commit a model that can be scored every time",
        Reason.TIMEOUT: "a stage computed for longer than its limit; use a faster model",
        Reason.MEMORY: "the model needs more memory than its size explains; find the cause",
        Reason.GATED: "the repository is gated; turn gating off and commit again",
        Reason.UNAVAILABLE_REPO: "the repository was deleted or made private; restore it",
        Reason.HUB_UNAVAILABLE: "the model host did not answer the validator; nothing to do",
        Reason.DATA_UNAVAILABLE: "a data source did not answer the validator; nothing to do",
        Reason.DEVICE: "the validator's device or worker failed; nothing to do",
        Reason.OVERRUN: "the validator was still scoring the previous round; nothing to do",
        Reason.ABSENT: "the validator was not running at the round's sync block; nothing to do",
        Reason.DISK: "the validator's disk failed or is full; nothing to do",
        Reason.STALLED: "the worker made no progress while the validator did; nothing to do",
        Reason.RACED_OUT: "it can no longer take the crown; commit another model",
        Reason.QUEUED: "eligible, but behind others in the queue; nothing to do",
    }
)
