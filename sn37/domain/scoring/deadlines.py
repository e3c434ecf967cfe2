"""Deadlines: the computing time that a model may use in each stage. All such numbers are here.

Seconds count while the model's worker uses a processor or the device. Wall-clock time only ends
a worker that uses neither; the scorer decides whose fault that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sn37.domain.data.batches import SampleBlock
from sn37.domain.data.samples import Sample
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.jobs import ScoringJob

PREPARING_S = 30.0  # configuration, tokenizer and template; honest models need less than 1 s
# Loading, by the size of the files: 15 GiB may take 50 s. Cached files load at gigabytes per
# second. Waiting for a disk uses no processor, see STILL_FACTOR.
LOADING_BASE_S = 20.0
LOADING_BYTES_PER_S = 512 << 20
# Smallest share of the job's time for loading; matters if a job may take hours, as on a miner's
# own machine.
LOADING_SHARE = 0.05
CHECKING_SHARE = 0.06  # of the job's time, to probe the loaded model before it is scored
# All texts are tokenised in that stage as well, and no model is at fault for their length. Measured
# for published models: 0.5 to 2 MB/s; texts that spell special tokens are tokenised twice. 300
# samples of 2,000 bytes get about a second.
ENCODING_BYTES_PER_S = 500_000
_BYTES_OF_A_TOKEN = 32  # bytes tokenised per token of the model's window: 8 characters
# A block may take this much more than its share of the scoring time, because samples differ. With
# 300 samples in 900 s, a block of 16 has a share of 44 s and may take 55.
SPREAD = 1.25
LEAST_S = 10.0  # smallest deadline of each of these stages

# A worker that neither uses a processor nor waits for one, waits for a disk, or for ever. It is
# ended after this many times its stage's seconds. For 15 GiB that means 100 MB/s.
STILL_FACTOR = 3.0
# A worker that waits for a processor is ended after this many times its stage's seconds.
WALL_FACTOR = 12.0

# A generated token costs as much as so many that are read: with a batch of 16, a CPU reads the
# weights for few tokens, and a GPU waits for the start of its kernels.
_READ_PER_NEW_TOKEN = 16
_BYTES_PER_TOKEN = 4  # of English text, to estimate how much of a sample fits into the window


class Stage(StrEnum):
    """Stages of a worker, in this order."""

    PREPARING = "preparing"
    LOADING = "loading"
    CHECKING = "checking"
    SCORING = "scoring"

    def is_before(self, other: Stage) -> bool:
        stages = list(Stage)
        return stages.index(self) < stages.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds that each stage of a job may compute, and all of them together.

    ``blocks`` are the blocks to score, without the skipped ones. No stage may take longer than
    the whole job.
    """

    preparing_s: float
    loading_s: float
    checking_s: float
    blocks_s: tuple[float, ...]
    total_s: float

    def of(self, stage: Stage, num_scored: int) -> float:
        """Return the seconds of a stage; for the scoring stage, those of the next block."""
        match stage:
            case Stage.PREPARING:
                return self.preparing_s
            case Stage.LOADING:
                return self.loading_s
            case Stage.CHECKING:
                return self.checking_s
            case _:
                return self.blocks_s[num_scored]

    @property
    def longest_s(self) -> float:
        """The longest of all stages: the time that a model can take by hanging once."""
        return max(self.preparing_s, self.loading_s, self.checking_s, *self.blocks_s)


def deadlines_of(job: ScoringJob) -> Deadlines:
    """Return a job's deadlines, from its samples, the size of its files and ``timeout_s``."""
    total = job.timeout_s
    size = job.artifact.size_bytes
    loading = max(LOADING_BASE_S + size / LOADING_BYTES_PER_S, LOADING_SHARE * total)
    scoring = max(total - PREPARING_S - loading, total / 2)
    blocks = job.blocks()
    shares = _shares(job, blocks)
    return Deadlines(
        preparing_s=min(PREPARING_S, total),
        loading_s=min(loading, total),
        checking_s=min(max(CHECKING_SHARE * total, LEAST_S) + _encoding_s(job), total),
        blocks_s=tuple(
            min(max(SPREAD * share * scoring, LEAST_S), total)
            for share in shares[job.skip_blocks :]
        ),
        total_s=total,
    )


def _encoding_s(job: ScoringJob) -> float:
    """Return the seconds to tokenise the texts of all samples, as far as they are tokenised."""
    most = _BYTES_OF_A_TOKEN * job.constraints.max_tokens
    texts = (t for b in job.batches for s in b.samples for t in _texts(b.method, s))
    return (
        sum(min(len(text.encode(errors="replace")), most) for text in texts) / ENCODING_BYTES_PER_S
    )


def _shares(job: ScoringJob, blocks: tuple[SampleBlock, ...]) -> list[float]:
    """Return each block's share of the work: half by its number of samples, half by length."""
    window = _BYTES_PER_TOKEN * job.constraints.max_tokens
    batches = {batch.task: batch for batch in job.batches}
    counts, sizes = list[int](), list[int]()
    for block in blocks:
        method, samples = batches[block.task].method, batches[block.task].samples
        chosen = samples[block.first : block.stop]
        counts.append(len(chosen))
        lengths = (sum(len(text.encode()) for text in _texts(method, s)) for s in chosen)
        new = _READ_PER_NEW_TOKEN * _BYTES_PER_TOKEN * job.budgets.get(block.task, 0)
        sizes.append(sum(1 + min(length, window) + new for length in lengths))
    num, size = sum(counts), sum(sizes)
    return [(n / num + s / size) / 2 for n, s in zip(counts, sizes, strict=True)]


def _texts(method: Method, sample: Sample) -> tuple[str, ...]:
    """Return the texts of a sample that a worker reads."""
    if method.traits.is_choice:
        return (sample.prompt, *sample.choices)
    return (sample.prompt,) if method.traits.is_generated else (sample.prompt, sample.reference)
