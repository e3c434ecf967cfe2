"""Conversion of samples to training rows: tokens as scored, and each nat's weight in the score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sn37.adapters.admission.positions import positions_of
from sn37.adapters.scoring.model.encoding import Encoded, Encoder, encode_pairs
from sn37.adapters.scoring.model.template import own_template, shape_of
from sn37.adapters.scoring.model.tensors import read_headers
from sn37.adapters.scoring.model.tokenizing import TextTokenizer, load_tokenizer
from sn37.domain.data.batches import TaskBatch
from sn37.domain.schedule.methods import GivenText
from sn37.domain.training import TrainingJob, Weighting


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One sample. Its loss, in the competition's unit, is ``fixed + per_nat * nats``."""

    encoded: Encoded
    per_nat: float
    fixed: float

    @property
    def tokens(self) -> int:
        """Number of tokens of the whole row, including those that are not scored."""
        return len(self.encoded.ids)


def rows_of(job: TrainingJob, *, vocabulary: int) -> tuple[Row, ...]:
    """Return the job's samples with something to score, as a validator encodes them.

    Raises:
        ModelFault: ``tokenizer`` or ``template``: a validator could not encode them.
    """
    tokenizer = load_tokenizer(Path(job.tokenizer or job.base))
    encoder = Encoder(
        tokenizer,
        prescribed=job.tokenizer is not None,
        max_tokens=job.constraints.max_tokens,
        vocabulary=vocabulary,
        positions=positions_of(read_headers(Path(job.base)).values()),
    )
    encoded = (e for batch in job.batches for e in _encode(batch, job, encoder, tokenizer))
    return tuple(
        Row(
            encoded=e,
            per_nat=encoder.loss(e, 1.0) - encoder.loss(e, 0.0),
            fixed=encoder.loss(e, 0.0),
        )
        for e in encoded
        if e.num_scored
    )


def _encode(
    batch: TaskBatch, job: TrainingJob, encoder: Encoder, tokenizer: TextTokenizer
) -> Iterable[Encoded]:
    shape = None
    if batch.method.traits.given_text is GivenText.RESPONSE:
        shape = shape_of(job.template or own_template(Path(job.base)), tokenizer.special_tokens)
    pairs = ((sample.prompt, sample.reference) for sample in batch.samples)
    return encode_pairs(pairs, batch.method, shape, encoder)


def gradient_weights(rows: Sequence[Row], weighting: Weighting) -> list[float]:
    """Return the weight of each row's nats in the loss of a step over these rows."""
    if weighting is Weighting.TOKEN:
        return [1 / sum(row.encoded.num_scored for row in rows)] * len(rows)
    return [row.per_nat / len(rows) for row in rows]
