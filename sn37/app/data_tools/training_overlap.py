"""Search for rows of a data source in a training set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from sn37.app.config.settings import Settings
from sn37.app.data_tools.requests import Asked, OpenData
from sn37.app.data_tools.sample import sample
from sn37.app.samples.sources import FindSource
from sn37.domain.canonical import JsonValue
from sn37.domain.data.ngrams import GRAM, GramIndex, Known, TrainingOverlap
from sn37.domain.data.samples import Sample
from sn37.domain.ids import Block, Seed

# Yields place and text of each row of a file or folder; raises ``DatasetUnavailable``.
ReadTexts = Callable[[Path], Iterator[tuple[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of a source to read: up to ``count``, drawn by ``seed``."""

    asked: Asked
    count: int
    block: Block | None  # window and signers of a round; ``None``: those of ``asked``
    seed: Seed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A training set, compared with a source."""

    training: str
    source: str
    found: TrainingOverlap

    def lines(self) -> Iterator[str]:
        """Describe the result for people; texts of strangers are in it as they are."""
        found = self.found
        yield _line(found.source, self.source, "the training set")
        yield f"of these, {found.num_mostly_known} have at least half of their runs there"
        yield _line(found.training, self.training, self.source)
        if found.num_left_out:
            yield (
                f"the last {found.num_left_out} rows of {self.source} were not compared: the "
                "index is full; give a smaller --count"
            )
        for example in found.examples:
            yield f"{example.row_id} is in {example.where}: {example.words}"

    def document(self) -> dict[str, JsonValue]:
        """Return everything as JSON."""
        found = self.found
        return {
            "training": self.training,
            "source": self.source,
            "run_words": GRAM,
            "source_rows": _known(found.source),
            "source_rows_mostly_known": found.num_mostly_known,
            "source_rows_left_out": found.num_left_out,
            "training_rows": _known(found.training),
            "examples": [asdict(example) for example in found.examples],
        }


async def find_overlap(
    source: Rows,
    training: Path | Rows,
    settings: Settings,
    *,
    find: FindSource,
    open_data: OpenData,
    read_texts: ReadTexts,
) -> Compared:
    """Compare rows of a source with a training set: a file, a folder, or rows of a source.

    Raises:
        CommandError: The options are wrong, or a source cannot be used.
        PortError: The chain or a source does not answer, or the training set cannot be read.
    """

    async def drawn(rows: Rows) -> tuple[Sample, ...]:
        found = await sample(
            rows.asked,
            settings,
            find=find,
            open_data=open_data,
            count=rows.count,
            block=rows.block,
            seed=rows.seed,
            up_to=True,
        )
        return found.samples

    index = GramIndex()
    for row_id, text in _texts_of(await drawn(source)):
        index.add(row_id, text)
    if isinstance(training, Path):
        name, texts = str(training), read_texts(training)
    else:
        name, texts = training.asked.name, _texts_of(await drawn(training))
    return Compared(training=name, source=source.asked.name, found=index.compare(texts))


def _texts_of(rows: Iterable[Sample]) -> Iterator[tuple[str, str]]:
    """Yield the row id of each sample, and its prompt, response and choices as one text."""
    for row in rows:
        others = [choice for choice in row.choices if choice != row.reference]
        yield row.provenance.row_id, "\n".join((row.prompt, row.reference, *others))


def _line(known: Known, name: str, other: str) -> str:
    short = f", {known.num_short} have fewer words" if known.num_short else ""
    return (
        f"{known.share:.2%} of {name}: {known.num_known} of {known.num_rows} rows have {GRAM} "
        f"words in a row that {other} has{short}"
    )


def _known(known: Known) -> JsonValue:
    return {
        "rows": known.num_rows,
        "short": known.num_short,
        "known": known.num_known,
        "share": known.share,
    }
