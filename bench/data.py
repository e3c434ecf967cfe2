"""What a pool of subnet 18's rows costs, and the phrase filter against a loop of ``in`` tests.

Rows come as the reader of wandb hands them on; from there everything is measured that a
validator does: signatures, text and phrases, duplicates, the checks of any source, the cut to
the round's window, and the draw. Seconds are of the processor, all in one thread, and of the
fastest run.

    python -m bench.data [--rows 100000] [--runs 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random

from sn37.adapters.dataset import sn18
from sn37.adapters.dataset.phrases import PhraseFilter, shipped_phrases
from sn37.adapters.dataset.wandb_messages import RowFound, RunFound
from sn37.app.samples.sources import Sources
from sn37.app.supervision.memory_tuning import look_less_often
from sn37.dataset_plugin import LivePlugin
from sn37.domain.data.samples import PoolRequest, TimeWindow
from sn37.domain.data.sampling import draw
from sn37.domain.ids import Hotkey, Seed, TaskName
from sn37.domain.schedule.competition import Freshness, Source
from sn37.testing.builders import CHAIN_START
from sn37.testing.figures import print_table, write_figures
from tests.support.substrate import a_keypair

MEAN_BYTES = 2_000  # of prompt and response together
NUM_SIGNERS = 8
NUM_SAMPLES = 300
SIGNER_SHARE = 0.4
HOURS = 4
WINDOW = TimeWindow(since=CHAIN_START, until=CHAIN_START + timedelta(hours=HOURS))
PHRASE_TEXTS = 2_000
ODD_ROWS = 50  # one row in so many holds an undesirable phrase


def some_words() -> list[str]:
    """English, from the documents of this repository."""
    docs = sorted(Path(__file__).parents[1].glob("docs/*.md"))
    text = " ".join(document.read_text(encoding="utf-8") for document in docs)
    clean = PhraseFilter.load().is_clean
    return [word for word in re.findall(r"\S+", text) if clean(word)]


def some_text(words: Sequence[str], num_bytes: int, random: Random) -> str:
    """About so many bytes; a line break at every twentieth word."""
    chosen = random.choices(words, k=max(1, num_bytes // 6))
    return "\n".join(" ".join(chosen[i : i + 20]) for i in range(0, len(chosen), 20))


def some_runs() -> tuple[list[RunFound], frozenset[Hotkey]]:
    """One run of each signer, really signed."""
    runs, signers = [], set()
    for number in range(NUM_SIGNERS):
        key, run = a_keypair(f"sn18 validator {number}"), f"run{number:05d}"
        signers.add(Hotkey(key.ss58_address))
        config = {
            "type": "validator",
            "hotkey": key.ss58_address,
            "signature": key.sign(run.encode()).hex(),
        }
        began = WINDOW.since.timestamp() - 60
        runs.append(RunFound(id=run, config=config, created_at=began, heartbeat_at=began))
    return runs, frozenset(signers)


def some_rows(num_rows: int) -> list[RowFound]:
    """Rows of all runs in turn, over the whole window; prompts are a tenth of the text."""
    random, words = Random(18), some_words()
    step_s = HOURS * 3600 / num_rows
    rows = []
    for number in range(num_rows):
        size = round(random.triangular(0.2, 1.8, 1.0) * MEAN_BYTES)
        odd = " As an AI language model, I cannot." if number % ODD_ROWS == 0 else ""
        rows.append(
            RowFound(
                run=f"run{number % NUM_SIGNERS:05d}",
                step=number // NUM_SIGNERS,
                index=number % 256,
                written=WINDOW.since.timestamp() + number * step_s,
                values={
                    "modality": "text",
                    "prompts": some_text(words, size // 10, random),
                    "responses": some_text(words, size - size // 10, random) + odd,
                },
            )
        )
    return rows


def pool_seconds(num_rows: int, num_runs: int) -> dict[str, float]:
    """Collecting, filtering and drawing."""
    look_less_often()  # as a validator does
    rows = some_rows(num_rows)
    gc.collect()
    gc.freeze()  # a reader hands rows on and keeps none: the collector need not walk these
    name = f"draw_seconds_{num_rows // 1000}k"
    fastest = min((one_pool(rows, name) for _ in range(num_runs)), key=lambda run: run[name])
    row_bytes = sum(
        len(str(row.values[c]).encode()) for row in rows for c in ("prompts", "responses")
    )
    return {"rows": num_rows, "row_bytes": row_bytes / num_rows, **fastest}


def one_pool(rows: Sequence[RowFound], name: str) -> dict[str, float]:
    runs, signers = some_runs()

    async def received(
        query: object,
        *,
        choose: Callable[[tuple[RunFound, ...]], object],
        take: Callable[[RowFound], None],
        timeout_s: float,
    ) -> Mapping[str, int]:
        choose(tuple(runs))
        for row in rows:
            take(row)
        return {}

    source = Source(name="sn18", freshness=Freshness.LIVE, max_age_s=HOURS * 3600)
    request = PoolRequest(window=WINDOW, trusted=signers)
    plugin = LivePlugin(
        name="sn18", parameters=sn18.Sn18Parameters, connect=partial(sn18.Sn18, read=received)
    )
    sources = Sources(lambda _: plugin)
    before = memory_mib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    began = time.process_time()
    found = asyncio.run(sources.collect(source, request))
    collected = time.process_time()
    pool = found.pool.within(WINDOW)
    drawn = draw(
        pool,
        task=TaskName("sn18"),
        count=NUM_SAMPLES,
        seed=Seed(37),
        signer_share=SIGNER_SHARE,
    )
    ended = time.process_time()
    if len(drawn) != NUM_SAMPLES or len(pool.samples) < 0.9 * len(rows):
        raise RuntimeError(f"{len(pool.samples)} of {len(rows)} rows came through")
    return {
        "pool_rows": len(pool.samples),
        "collect_seconds": collected - began,
        "draw_only_seconds": ended - collected,
        name: ended - began,
        name.replace("seconds", "extra_mib"): memory_mib("VmHWM") - before,
    }


def phrase_seconds(num_texts: int) -> dict[str, float]:
    """The filter and a loop over the same phrases and texts; both must agree."""
    random, words = Random(37), some_words()
    texts = [some_text(words, MEAN_BYTES, random) for _ in range(num_texts)]
    phrases, shipped = shipped_phrases(), PhraseFilter.load()
    any_case = [phrase.text.casefold() for phrase in phrases if phrase.any_case]
    exact = [phrase.text for phrase in phrases if not phrase.any_case]

    def loop(text: str) -> bool:
        folded = text.casefold()
        for phrase in any_case:
            if phrase in folded:
                return False
        for phrase in exact:  # noqa: SIM110 - a generator is slower than the loop
            if phrase in text:
                return False
        return True

    rounds = [(seconds(loop, texts), seconds(shipped.is_clean, texts)) for _ in range(3)]
    slow, fast = (min(column) for column in zip(*rounds, strict=True))
    return {
        "phrases": len(phrases),
        "loop_microseconds": 1e6 * slow / num_texts,
        "phrase_filter_microseconds": 1e6 * fast / num_texts,
        "phrase_filter_speedup": slow / fast,
    }


def seconds(is_clean: Callable[[str], bool], texts: Sequence[str]) -> float:
    began = time.process_time()
    if not all(map(is_clean, texts)):
        raise RuntimeError("a clean text was taken for an undesirable one")
    return time.process_time() - began


def memory_mib(kind: str) -> float:
    """VmRSS, what is resident now, or VmHWM, the peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{kind}:")[1].split()[0]) / 2**10


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--texts", type=int, default=PHRASE_TEXTS, help="for the filter")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--json", type=Path, metavar="FILE")
    given = arguments.parse_args()
    measured = {**phrase_seconds(given.texts), **pool_seconds(given.rows, given.runs)}
    figures = {name: round(value, 4) for name, value in measured.items()}
    print_table("figures", ("figure", "value"), figures.items())
    write_figures(given.json, figures, libraries=("hyperscan", "bittensor"))


if __name__ == "__main__":
    main()
