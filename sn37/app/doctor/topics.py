"""The lines of ``sn37 doctor``: what each looks at, what is required, and the remedy.

docs/doctor.md has them as a table.
"""

from __future__ import annotations

from dataclasses import dataclass

from sn37.domain.check_line import Check, Grade
from sn37.ports.errors import CONNECTION_ADVICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A line, or several whose names begin alike."""

    name: str  # ends in "..." if something follows
    networks: str  # that have this line
    requires: str
    otherwise: str  # grades and when
    remedy: str

    def ok(self, detail: str, about: str = "") -> Check:
        """Return the line of a good result; ``about`` follows the name."""
        return Check(name=self._named(about), grade=Grade.OK, detail=detail)

    def warning(self, detail: str, about: str = "") -> Check:
        """Return the line of a result with which a validator works, but not well."""
        return self._bad(Grade.WARNING, detail, about)

    def failed(self, detail: str, about: str = "") -> Check:
        """Return the line of a result with which a validator cannot work."""
        return self._bad(Grade.FAILED, detail, about)

    def _bad(self, grade: Grade, detail: str, about: str) -> Check:
        return Check(name=self._named(about), grade=grade, detail=detail, remedy=self.remedy)

    def _named(self, about: str) -> str:
        return self.name.removesuffix("...") + about


_ALL, _REAL = "all", "all but simnet"

DATA_SET = Topic(
    name="data set ...",
    networks=_ALL,
    requires="installed, takes the schedule's parameters, and is pinned to a commit",
    otherwise="failed",
    remedy="install its package (docs/datasets.md), or sn37 schedule pin FILE",
)
TOKENIZER = Topic(
    name="tokenizer ...",
    networks=_ALL,
    requires="pinned to a commit",
    otherwise="failed",
    remedy="sn37 schedule pin FILE; in a preset a maintainer does it",
)
TASK = Topic(
    name="task ...",
    networks=_ALL,
    requires="scored by a method that its samples are for",
    otherwise="warning",
    remedy="choose a method that docs/scoring.md lists for such samples, or another source",
)
PYTHON = Topic(
    name="python",
    networks=_ALL,
    requires="3.11 or newer",
    otherwise="failed",
    remedy="install Python 3.11, and sn37 in a new environment of it",
)
PACKAGE = Topic(
    name="package ...",
    networks=_ALL,
    requires="installed, in a version that this release was tested with",
    otherwise="failed if missing, warning if of another version",
    remedy="pip install 'sn37[validator]'",
)
DEVICE = Topic(
    name="device",
    networks=_ALL,
    requires="a GPU with a driver and a torch for it; none on simnet",
    otherwise="failed without one; warning on test, local and addresses of this machine, where "
    "models are then scored on the CPU",
    remedy="install NVIDIA's driver and a torch built for CUDA; in a container, pass the GPU "
    "through (--gpus all)",
)
DEVICE_MEMORY = Topic(
    name="device memory",
    networks=f"{_REAL}, on a GPU",
    requires="48 GB",
    otherwise="warning: larger models fail on this machine",
    remedy="use a GPU with 48 GB or more, and stop other programs on it",
)
DEVICE_SPEED = Topic(
    name="device speed",
    networks=_ALL,
    requires="38 TFLOP/s in bfloat16, measured; on a CPU the number is only shown",
    otherwise="warning: rounds may not be finished in time",
    remedy="stop other programs on the GPU, check its power limit and cooling (nvidia-smi -q), or "
    "use a faster one",
)
SANDBOX = Topic(
    name="sandbox: ...",
    networks=_ALL,
    requires="eight layers around each model (validator.md, The sandbox)",
    otherwise="failed without Landlock or seccomp, warning without another",
    remedy="each line has its own; --allow-weak-sandbox starts without",
)
MEMORY = Topic(
    name="memory",
    networks=_ALL,
    requires="64 GB; on simnet 4 GB",
    otherwise="warning",
    remedy="use a machine with more memory; in a container, raise its limit",
)
DISK = Topic(
    name="disk",
    networks=_ALL,
    requires="3,000 GB for models, those on disk included; on simnet 2 GB; a folder that can be "
    "written",
    otherwise="failed if it cannot be written or the largest model has no room, warning below the "
    "requirement: models are fetched again more often",
    remedy="free or add space, or choose another folder with --state-dir",
)
OPEN_FILES = Topic(
    name="open files",
    networks=_ALL,
    requires="4,096 at once; on simnet 256",
    otherwise="warning",
    remedy="ulimit -n 65536; for a service, LimitNOFILE=65536 in its unit",
)
CLOCK = Topic(
    name="clock",
    networks=f"{_REAL}, or where a data set needs the hub",
    requires="within 5 s of the hub's",
    otherwise="warning: signed addresses and dates of rows depend on it",
    remedy="synchronize the clock, for example with systemd-timesyncd or chrony",
)
HUB = Topic(
    name="hub",
    networks=f"{_REAL}, or where a data set needs it",
    requires="Hugging Face answers",
    otherwise="failed",
    remedy=f"{CONNECTION_ADVICE}; HF_ENDPOINT names another address",
)
HUB_TOKEN = Topic(
    name="hub token",
    networks=f"{_REAL}, or where a data set needs the hub",
    requires="a token that the hub accepts",
    otherwise="failed if it is refused, warning without one: the hub allows fewer requests",
    remedy="make a token that can read at https://huggingface.co/settings/tokens, and set "
    "HF_TOKEN; for a service, in /etc/sn37/secrets.env",
)
WANDB = Topic(
    name="wandb login",
    networks="those with a data set that reads wandb",
    requires="a login that wandb accepts",
    otherwise="failed",
    remedy="set WANDB_API_KEY, or run wandb login; for a service, in /etc/sn37/secrets.env",
)
WALLET = Topic(
    name="wallet",
    networks=_REAL,
    requires="a hotkey that can be opened",
    otherwise="failed",
    remedy="name one with --wallet, --wallet-hotkey and --wallet-path",
)
ENDPOINT = Topic(
    name="endpoint ...",
    networks=_REAL,
    requires="answers, within 2 s",
    otherwise="failed without an answer, warning if it is slow",
    remedy=f"{CONNECTION_ADVICE}; for a slow one, name one that is nearer with --endpoint",
)
FINALIZED_HEAD = Topic(
    name="finalized head",
    networks=_REAL,
    requires="at most 2 minutes old by this clock",
    otherwise="warning",
    remedy="synchronize this machine's clock by NTP, or use an endpoint that keeps up",
)
CROSS_CHECK = Topic(
    name="hash cross-check",
    networks=_REAL,
    requires="two endpoints that agree on the hash of a block",
    otherwise="failed if they disagree, warning with a single one",
    remedy="name others with --endpoint",
)
SUBNET = Topic(
    name="subnet",
    networks=_REAL,
    requires="exists",
    otherwise="failed",
    remedy="choose another subnet with --netuid",
)
COMMITMENTS = Topic(
    name="commitments",
    networks=_REAL,
    requires="can be read",
    otherwise="failed",
    remedy="use an endpoint of the right network, or upgrade sn37",
)
COMMIT_REVEAL = Topic(
    name="commit-reveal",
    networks=_REAL,
    requires="on",
    otherwise="warning: other validators can copy our weights",
    remedy="ask the subnet's owner to switch it on",
)
WEIGHTS_VERSION = Topic(
    name="weights version",
    networks=_REAL,
    requires="that of this program is accepted",
    otherwise="failed",
    remedy="upgrade sn37",
)
HOTKEY = Topic(
    name="hotkey",
    networks=_REAL,
    requires="registered on the subnet",
    otherwise="failed; warning if no wallet was named",
    remedy="btcli subnets register",
)
STAKE = Topic(
    name="stake",
    networks=_REAL,
    requires="as much as the chain asks for weights",
    otherwise="failed",
    remedy="btcli stake add",
)
PERMIT = Topic(
    name="validator permit",
    networks=_REAL,
    requires="held",
    otherwise="failed",
    remedy="btcli stake add, then wait for the next epoch",
)
RATE_LIMIT = Topic(
    name="rate limit",
    networks=_REAL,
    requires="nothing; says when the next weights may be sent",
    otherwise="",
    remedy="",
)
WEIGHTS = Topic(
    name="weights, not sent",
    networks=_REAL,
    requires="example weights can be composed, and have a fee",
    otherwise="warning",
    remedy="fix the failed checks above",
)
CONNECTION = Topic(
    name="connection",
    networks=_REAL,
    requires="holds until all is read; the line is there only if it was lost",
    otherwise="failed",
    remedy="try again; if it fails again, use another network connection or endpoint",
)

TOPICS = (
    DATA_SET, TOKENIZER, TASK, PYTHON, PACKAGE, DEVICE, DEVICE_MEMORY, DEVICE_SPEED, SANDBOX,
    MEMORY, OPEN_FILES, DISK, CLOCK, HUB, HUB_TOKEN, WANDB, WALLET, ENDPOINT, FINALIZED_HEAD,
    CROSS_CHECK, SUBNET, COMMITMENTS, COMMIT_REVEAL, WEIGHTS_VERSION, HOTKEY, STAKE, PERMIT,
    RATE_LIMIT, WEIGHTS, CONNECTION,
)  # fmt: skip


def topic_of(name: str) -> Topic:
    """Return the topic of a line.

    Raises:
        LookupError: No topic has such lines.
    """
    for topic in TOPICS:
        beginning = topic.name.removesuffix("...")
        if name == topic.name or (beginning != topic.name and name.startswith(beginning)):
            return topic
    raise LookupError(name)
