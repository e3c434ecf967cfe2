"""A sample is text: it may cost a model its bytes, and convicts none."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer

from sn37.adapters.scoring.job_encoding import encode_blocks
from sn37.adapters.scoring.messages import BlockOrder
from sn37.adapters.scoring.model import encoding as prompting
from sn37.adapters.scoring.model.encoding import Encoded, Encoder
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.template import Shape
from sn37.adapters.scoring.model.tokenizing import load_tokenizer
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.domain.data.batches import BLOCK_SAMPLES
from sn37.domain.reasons import Reason
from sn37.domain.schedule.methods import Method
from sn37.domain.scoring.jobs import ScoringJob
from sn37.ports.errors import ScorerUnavailable
from sn37.testing.builders.rounds import a_batch
from sn37.testing.builders.samples import a_sample
from sn37.testing.tiny_models import ARCHITECTURES, a_real_job, save_model, save_tokenizer
from tests.integration.scorer.kraft import ADVERSARIES, ALLOWED
from tests.integration.scorer.tokenizer_shapes import SHAPES, gpt2, save_shape
from tests.integration.scorer.verdicts import scored, verdict

NUM_TEXTS = 2000
MARKUP = (
    "<s>",
    "</s>",
    "<|endoftext|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<think>",
    "</think>",
    "<mask>",
    "[MASK]",
    "[UNK]",
    "<unk>",
    "<pad>",
    "<start_of_turn>",
    "<0x0A>",
    "\u2581",
    ">>TITLE<<",
)
BROKEN = ("<s", "</", "|>", "<|im_", "[MA", "<0x", "{{ bos_token }}", "{%", "<<SYS>>", "&lt;s&gt;")
SPACES = (" ", "  ", "\t", "\n\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\u2028", "\ufeff", "\v")
MARKS = ("e\u0301", "\u1100\u1161", "a\u0323\u0307", "\u0627\u0644\u0651", "\u00b2", "\ufb01")
PLAIN = ("the model", "a round", "Paris", "42", "def f(x):", "\u6f22\u5b57", "\U0001f642", ",", ".")
SHAPE = Shape(before="<s><user>", between="\n<assistant>", after="</s>")


def odd_texts(count: int) -> list[str]:
    """Texts of special tokens, marks, white space, combining characters and broken markup."""
    draw = random.Random(48)
    kinds = (MARKUP, BROKEN, SPACES, MARKS, PLAIN, PLAIN)
    return [
        "".join(draw.choice(draw.choice(kinds)) for _ in range(draw.randint(1, 24)))
        for _ in range(count)
    ]


def blocks_of(texts: list[str], method: Method) -> list[BlockOrder]:
    pairs = list(zip(reversed(texts), texts, strict=True))
    return [
        BlockOrder(method=method, pairs=tuple(pairs[first : first + BLOCK_SAMPLES]))
        for first in range(0, len(pairs), BLOCK_SAMPLES)
    ]


def job_of(folder: Path, texts: list[str], **fields: object) -> ScoringJob:
    samples = tuple(a_sample(f"s{i}", prompt=text, reference=text) for i, text in enumerate(texts))
    job = a_real_job(folder)
    return replace(job, batches=(a_batch("pairs", samples=samples),), **fields)  # type: ignore[arg-type]


def model_with(folder: Path, name: str) -> Path:
    """A tiny Llama whose vocabulary is that of a tokenizer of this shape."""
    make, _ = SHAPES[name]
    size = max(make().get_vocab().values()) + 1
    save_model(folder, vocab_size=size)
    for path in folder.glob("*token*"):
        path.unlink()
    return save_shape(name, folder)


@pytest.mark.parametrize("prescribed", [False, True], ids=["own", "prescribed"])
@pytest.mark.parametrize("name", SHAPES)
def test_t48_no_odd_text_convicts_a_model(tmp_path: Path, name: str, prescribed: bool) -> None:
    tokenizer = load_tokenizer(save_shape(name, tmp_path))
    encode = Encoder(tokenizer, prescribed=prescribed, max_tokens=64, vocabulary=tokenizer.size)
    texts = odd_texts(NUM_TEXTS)
    orders = [
        *blocks_of(texts[::2], Method.REFERENCE_LOSS),
        *blocks_of(texts[1::2], Method.TEXT_LOSS),
    ]
    samples = [s for block in encode_blocks(orders, SHAPE, encode) for s in block.texts]
    assert len(samples) == NUM_TEXTS
    for sample in samples:
        uniform = encode.loss(sample, sample.num_scored * math.log(tokenizer.size))
        assert math.isfinite(uniform)
        assert uniform > 0 or (prescribed and not sample.num_scored)  # nothing to score
        assert len(sample.ids) <= 64
        assert prescribed or sample.unscored_bytes <= sample.num_bytes


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0f73", "\u0345\u0301\u0323\u0327\u0334"])
def test_t48_a_row_of_combining_marks_ends_no_model_by_time(
    warm_scorer: WorkerScorer, tmp_path: Path, marks: str
) -> None:
    """Its canonical form took a minute, and the model was blamed for the time."""
    row = "a" + marks * (190_000 // len(marks))
    folder = model_with(tmp_path, "llama_2")
    losses = scored(warm_scorer, job_of(folder, [row, "the model", row]))
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[1] < losses[0] == losses[2] < 9


@pytest.mark.parametrize("is_prescribed", [False, True])
def test_t48_rows_as_long_as_a_pool_allows_end_no_model_by_time(
    warm_scorer: WorkerScorer, tmp_path: Path, is_prescribed: bool
) -> None:
    """To tokenise all of them took four times as long as a worker had."""
    draw = random.Random(48)
    rows = ["".join(chr(draw.randint(0x1F300, 0x1F5FF)) for _ in range(100_000)) for _ in range(4)]
    folder = model_with(tmp_path, "llama_3")
    job = job_of(folder, [*rows * 5, *["the model"] * 12])
    job = replace(job, tokenizer=folder if is_prescribed else None)
    losses = scored(warm_scorer, job)
    assert len(losses) == 32
    assert all(math.isfinite(loss) for loss in losses)


LONG = tuple(
    f"{kind * (9000 // len(kind))} and {kind} "
    for kind in ("the model reads ", "\u6f22\u5b57", "a_b(c);\n")
)


@pytest.mark.parametrize("prescribed", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_what_no_window_holds_of_a_long_text_changes_none_of_its_tokens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, prescribed: bool
) -> None:
    tokenizer = load_tokenizer(save_shape(name, tmp_path))

    def encoded(num_characters: int) -> list[Encoded]:
        monkeypatch.setattr(prompting, "CHARACTERS_PER_TOKEN", num_characters)
        encoder = Encoder(
            tokenizer, prescribed=prescribed, max_tokens=64, vocabulary=tokenizer.size
        )
        return [encoder.pair(SHAPE, one, other) for one in LONG for other in LONG]

    assert encoded(prompting.CHARACTERS_PER_TOKEN) == encoded(10**6)


@pytest.mark.parametrize("name", SHAPES)
def test_t48_text_never_becomes_markup(tmp_path: Path, name: str) -> None:
    tokenizer = load_tokenizer(save_shape(name, tmp_path))
    added = Tokenizer.from_file(str(tmp_path / "tokenizer.json")).get_added_tokens_decoder()
    markup = {number for number, token in added.items() if token.content.strip()}
    unknown = {tokenizer._unknown}
    for token in (token.content for token in added.values() if token.content.strip()):
        for text in (token, f"a {token} b", f"{token}{token}", f" {token}\n", f"x{token}x"):
            assert not set(tokenizer.text(text)) & (markup - unknown)


@pytest.mark.parametrize("name", SHAPES)
def test_ordinary_text_has_the_ids_of_the_library_and_of_a_download(
    tmp_path: Path, name: str
) -> None:
    save_shape(name, tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    library = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    downloaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in (
        "The model read a text. It has 12,345 words and 0.5 marks.",
        "def f(x):\n    if x:\n\treturn '2'\n\n\n# done",
        "  two spaces, \u043c\u0438\u0440 \u6f22\u5b57 \u03bb \u0639\u0631\u0628 \U0001f642",
        "it's we'll I'D\r\nline",
    ):
        ids = library.encode(text, add_special_tokens=False).ids
        assert (
            tokenizer.text(text) == ids == downloaded(text, add_special_tokens=False)["input_ids"]
        )


@pytest.mark.parametrize("name", ["llama_3", "qwen", "llama_2", "gemma", "falcon"])
@pytest.mark.parametrize("named", ["GPT2Tokenizer", "LlamaTokenizer", "Qwen2TokenizerFast", "Odd"])
def test_the_class_that_a_configuration_names_decides_nothing(
    tmp_path: Path, name: str, named: str
) -> None:
    plain = load_tokenizer(save_shape(name, tmp_path / "plain"))
    classed = load_tokenizer(save_shape(name, tmp_path / "classed", tokenizer_class=named))
    for text in ("  It's 12345 apples,\n\n  and I'LL eat 7.", *odd_texts(50)):
        assert plain.text(text) == classed.text(text)


@pytest.mark.parametrize("name", SHAPES)
def test_a_plain_prompt_is_tokenised_with_its_template_as_one(tmp_path: Path, name: str) -> None:
    tokenizer = load_tokenizer(save_shape(name, tmp_path))
    library = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for prompt in ("What is it?", " x", "", "a\n", "1 + 1 = 2"):
        whole = SHAPE.before + prompt + SHAPE.between
        ids = library.encode(whole, add_special_tokens=False).ids
        assert tokenizer.context(SHAPE, prompt) == ids


@pytest.mark.parametrize("name", ["gpt2", "llama_3", "qwen", "llama_2", "gemma", "t5", "bart"])
def test_t48_a_prompt_adds_no_markup_to_its_template(tmp_path: Path, name: str) -> None:
    tokenizer = load_tokenizer(save_shape(name, tmp_path))
    added = Tokenizer.from_file(str(tmp_path / "tokenizer.json")).get_added_tokens_decoder()
    markup = {n for n, token in added.items() if token.content.strip()} - {tokenizer._unknown}
    mark = next(t.content for n, t in sorted(added.items()) if n in markup)
    shape = Shape(before=f"{mark}user: ", between=f"{mark}assistant: ", after="")
    own = [n for n in tokenizer.context(shape, "x") if n in markup]
    assert len(own) == 2
    for prompt in (mark, f"a{mark}b{mark}", f"{mark[:-1]}", f"\n{mark} ", mark * 9):
        assert [n for n in tokenizer.context(shape, prompt) if n in markup] == own


@pytest.mark.parametrize("name", ["llama_2", "mistral", "gemma", "qwen", "phi", "bart", "t5"])
def test_t48_the_worker_scores_odd_texts_with_every_tokenizer(
    warm_scorer: WorkerScorer, tmp_path: Path, name: str
) -> None:
    folder = model_with(tmp_path, name)
    texts = odd_texts(48)
    for tokenizer in (None, folder):
        losses = scored(
            warm_scorer,
            job_of(
                folder,
                texts,
                tokenizer=tokenizer,
                template="{% for m in messages %}<s>{{ m.content }}</s>{% endfor %}",
            ),
        )
        assert len(losses) == 48
        assert all(map(math.isfinite, losses))


def swallows_spaces(tokenizer: Tokenizer) -> None:
    tokenizer.add_tokens([AddedToken("~", lstrip=True, rstrip=True, normalized=False)])


def panics(tokenizer: Tokenizer) -> None:
    bomb = pre_tokenizers.Split(Regex("~~(?:.+.+)+(?<=Q)"), "isolated")
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([bomb, split])


def drops_a_character(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.Replace("~", "")


def repeats_a_character(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.Replace("~", "~" * 2000)


def forgets_the_rest(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.Replace(Regex("~.*"), "~")


@pytest.mark.parametrize(
    "spoil",
    [swallows_spaces, panics, drops_a_character, repeats_a_character, forgets_the_rest],
)
def test_t48_a_text_that_a_tokenizer_fails_on_costs_and_convicts_nobody(
    warm_scorer: WorkerScorer, tmp_path: Path, spoil: Callable[[Tokenizer], None]
) -> None:
    tokenizer = gpt2()
    spoil(tokenizer)
    save_model(tmp_path, vocab_size=max(tokenizer.get_vocab().values()) + 1)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    texts = ["the quick brown fox jumps over the lazy dogs again"] * 48
    plain = scored(warm_scorer, job_of(tmp_path, texts))
    texts[7] = "the quick ~~ brown fox jumps over the lazy dogs again"
    losses = scored(warm_scorer, job_of(tmp_path, texts))
    assert losses[:7] == plain[:7]
    assert losses[16:] == plain[16:]
    assert math.isfinite(losses[7])


def test_t48_an_id_beyond_the_vocabulary_costs_its_text(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    tokenizer = gpt2()
    file = tmp_path / "tokenizer.json"
    size = max(tokenizer.get_vocab().values()) + 1
    save_model(tmp_path, vocab_size=size)
    settings = json.loads(tokenizer.to_str())
    settings["model"]["vocab"]["~"] = size + 5
    file.write_text(json.dumps(settings))
    texts = ["the quick brown fox"] * 40 + ["the quick ~ fox", "~"]
    losses = scored(warm_scorer, job_of(tmp_path, texts))
    assert all(map(math.isfinite, losses))
    assert losses[-2] > losses[0] + 1


@pytest.mark.parametrize("skip_blocks", [0, 1, 3])
def test_t48_a_tokenizer_is_judged_by_the_whole_round_wherever_scoring_goes_on(
    warm_scorer: WorkerScorer, tmp_path: Path, skip_blocks: int
) -> None:
    folder = model_with(tmp_path, "gpt2")
    settings = json.loads((folder / "tokenizer.json").read_text())
    settings["normalizer"] = {"type": "Replace", "pattern": {"String": "e"}, "content": "a"}
    (folder / "tokenizer.json").write_text(json.dumps(settings))
    fine, lost = "a big fox ran to our dog", "the red fox"
    few = [lost] * 3 + [fine] * 61
    many = [lost] * 4 + [fine] * 60
    assert len(scored(warm_scorer, job_of(folder, few, skip_blocks=skip_blocks))) == (
        64 - 16 * skip_blocks
    )
    refusal = verdict(warm_scorer, job_of(folder, many, skip_blocks=skip_blocks))
    assert refusal.reason is Reason.TOKENIZER
    assert "4 or more of 64 samples" in str(refusal)


@pytest.mark.parametrize("family", ["bart"])
@pytest.mark.parametrize("is_own", [True, False])
def test_t48_a_model_with_few_positions_is_scored_on_what_it_reaches(
    warm_scorer: WorkerScorer, tmp_path: Path, family: str, is_own: bool
) -> None:
    save_model(tmp_path, family, max_position_embeddings=48)
    job = a_real_job(tmp_path, architecture=ARCHITECTURES[family])
    losses = scored(warm_scorer, replace(job, tokenizer=None if is_own else tmp_path))
    assert len(losses) == 40
    assert all(map(math.isfinite, losses))


def test_a_prescribed_tokenizer_that_cannot_be_read_is_our_fault(
    warm_scorer: WorkerScorer, tmp_path: Path, llama: Path
) -> None:
    save_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ScorerUnavailable, match="the competition's tokenizer"):
        scored(warm_scorer, a_real_job(llama, tokenizer=tmp_path))


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"tokenizer.json": b"{}"}, "cannot be read"),
        ({"tokenizer.json": b"\xff\xfe"}, "cannot be read"),
        ({"tokenizer_config.json": b"{"}, "JSON"),
        ({"special_tokens_map.json": b"[1"}, "JSON"),
        ({"tokenizer.json": None, "vocab.json": b"{}", "merges.txt": b"#"}, "save_pretrained"),
    ],
)
def test_files_of_a_tokenizer_that_cannot_be_used_say_what_to_do(
    tmp_path: Path, files: dict[str, bytes | None], word: str
) -> None:
    save_tokenizer(tmp_path)
    for name, content in files.items():
        if content is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFault, match=word) as caught:
        load_tokenizer(tmp_path)
    assert caught.value.reason is Reason.TOKENIZER


@pytest.mark.parametrize(
    ("settings", "name", "expected"),
    [
        ({"bos_token": "<s>"}, "bart", 0),
        ({"bos_token": {"content": "</s>"}}, "bart", 2),
        ({"bos_token": None}, "bart", None),
        ({"bos_token": "nowhere"}, "bart", None),
        ({}, "llama_3", 0),
        ({}, "llama_2", 1),
        ({}, "bert", 2),
        ({}, "t5", None),
        ({}, "gpt2", None),
    ],
)
def test_bos_is_what_the_settings_name_or_the_tokenizer_puts_in_front(
    tmp_path: Path, settings: dict[str, object], name: str, expected: int | None
) -> None:
    save_shape(name, tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert load_tokenizer(tmp_path).bos == expected


def constant_model(folder: Path, tokenizer: Tokenizer) -> Path:
    """A model that gives every id the same chance, with this tokenizer and no BOS."""
    size = max(tokenizer.get_vocab().values()) + 1
    save_model(folder, vocab_size=size, tie_word_embeddings=False)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"].zero_()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


def texts_job(folder: Path, texts: list[str]) -> ScoringJob:
    samples = tuple(a_sample(f"s{i}", prompt="", reference=text) for i, text in enumerate(texts))
    batch = a_batch("texts", method=Method.TEXT_LOSS, samples=samples)
    return replace(a_real_job(folder), batches=(batch,))


LOSE_ALL = {"fails on some", "joins all", "no decoder"}


@pytest.mark.parametrize("name", sorted(LOSE_ALL))
def test_t49_a_tokenizer_that_loses_most_texts_is_refused(
    warm_scorer: WorkerScorer, tmp_path: Path, name: str
) -> None:
    folder = constant_model(tmp_path, ADVERSARIES[name]())
    texts = ["".join(letters) for letters in product("ab", repeat=6)]
    assert verdict(warm_scorer, texts_job(folder, texts)).reason is Reason.TOKENIZER


@pytest.mark.parametrize("name", sorted(ADVERSARIES.keys() - LOSE_ALL))
def test_t49_the_losses_of_the_worker_are_those_of_a_distribution(
    warm_scorer: WorkerScorer, tmp_path: Path, name: str
) -> None:
    folder = constant_model(tmp_path, ADVERSARIES[name]())
    losses = scored(warm_scorer, texts_job(folder, ["".join(t) for t in product("ab", repeat=6)]))
    assert len(losses) == 64
    assert sum(2.0 ** (-6 * loss) for loss in losses) <= ALLOWED


@pytest.mark.parametrize("is_marked", [False, True])
def test_t49_a_first_token_that_is_spelt_otherwise_alone_is_paid_for(
    warm_scorer: WorkerScorer, tmp_path: Path, is_marked: bool
) -> None:
    texts = [f"The {word} of all things is number {n}." for n, word in enumerate(PLAIN[:5] * 4)]
    mark = "\u00a7" if is_marked else ""
    letters = sorted({c for text in texts for c in text} | {"\u00a7"})
    pieces = [(c, -10.0) for c in letters] + [(mark + text[:16], -1.0) for text in set(texts)]
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), *pieces], unk_id=0))
    tokenizer.decoder = decoders.Fuse()
    if is_marked:
        strip = decoders.Replace(Regex("^\u00a7(?=[\\s\\S]{17,})"), "")
        tokenizer.normalizer = normalizers.Prepend(mark)
        tokenizer.decoder = decoders.Sequence([decoders.Fuse(), strip])
    folder = constant_model(tmp_path, tokenizer)
    losses = scored(warm_scorer, texts_job(folder, texts))
    size = len(tokenizer.get_vocab())
    for text, loss in zip(texts, losses, strict=True):
        tokens = len(text) - 16 + 1
        assert loss * len(text.encode()) >= 0.9999 * tokens * math.log2(size)
