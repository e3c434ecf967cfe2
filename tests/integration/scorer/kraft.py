"""Tokenizers that try to make texts cheap, and what the texts may weigh at most."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from sn37.adapters.scoring.model.encoding import Encoded, Encoder
from sn37.adapters.scoring.model.template import Shape
from sn37.adapters.scoring.model.tokenizing import TextTokenizer

ALPHABET = "ab"
SHAPE = Shape(before="a", between="b", after="")
# What samples that are not spelt exactly may weigh, beside all others.
ALLOWED = 1 + 2**-15


def texts(length: int, alphabet: Iterable[str] = ALPHABET) -> list[str]:
    return ["".join(letters) for letters in itertools.product(alphabet, repeat=length)]


def best_sum(encode: Encoder, samples: Iterable[Encoded], *, charged: bool = True) -> float:
    """The largest sum that any model reaches on samples; without what is charged, if asked."""
    weights: dict[tuple[int, ...], dict[tuple[int, ...], float]] = defaultdict(
        lambda: defaultdict(float)
    )
    for sample in samples:
        bits = encode.loss(sample, 0.0) * sample.num_bytes if charged else 0.0
        weights[sample.ids[: sample.first]][sample.ids[sample.first :]] += 2.0**-bits
    return sum(value(targets) for targets in weights.values())


def value(targets: dict[tuple[int, ...], float]) -> float:
    here, later = 0.0, defaultdict[int, dict[tuple[int, ...], float]](dict)
    for ids, weight in targets.items():
        if ids:
            later[ids[0]][ids[1:]] = weight
        else:
            here += weight
    return here + max(map(value, later.values()), default=0.0)


def words(*pieces: str) -> models.Model:
    """Unigram over whole words: what is not among them is spelt letter by letter."""
    return models.Unigram(
        [("<unk>", -20.0), *((p, -1.0 if len(p) > 1 else -5.0) for p in pieces)], unk_id=0
    )


def fused(model: models.Model) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def letters() -> Tokenizer:
    return fused(words("a", "b"))


def unary() -> Tokenizer:
    """Every text is so and so many times one token: the number says which."""
    tokenizer = fused(words("a", "b", "c"))
    rules = [(text, "c" * (10 + n)) for n, text in enumerate(t for k in range(7) for t in texts(k))]
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(f"^{text}$"), code) for text, code in rules if text]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Fuse(), *(decoders.Replace(Regex(f"^{c}$"), t) for t, c in rules if t)]
    )
    return tokenizer


def padded() -> Tokenizer:
    """Tokens that spell nothing, as many as the text's last letters say."""
    tokenizer = fused(words("a", "b", "z"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(f"^{t}"), "z" * n + t) for n, t in enumerate(texts(3))]
    )
    tokenizer.decoder = decoders.Sequence([decoders.Replace("z", ""), decoders.Fuse()])
    return tokenizer


def first_flag() -> Tokenizer:
    """A first token that says how the text ends, and that the decoder takes away."""
    tokenizer = fused(words("a", "b", "F", "G", "Fa", "Fb", "Ga", "Gb"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex("^(?=[ab]*a$)"), "F"),
            normalizers.Replace(Regex("^(?=[ab]*b$)"), "G"),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.Fuse(), decoders.Replace(Regex("^[FG]"), "")])
    return tokenizer


def first_word() -> Tokenizer:
    """A first token for the first three letters, which alone is spelt otherwise."""
    tokenizer = fused(words("a", "b", *("\u00a7" + text for text in texts(3)), "\u00a7"))
    tokenizer.normalizer = normalizers.Prepend("\u00a7")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Fuse(), decoders.Replace(Regex("^\u00a7(?=[ab]{4,})"), "")]
    )
    return tokenizer


def whole_texts() -> Tokenizer:
    """A piece for every text of six letters, as a vocabulary of a million could hold."""
    return fused(words("a", "b", *texts(6)))


def fails_on_some() -> Tokenizer:
    """The library raises for every text that ends in a, and none of those is scored."""
    tokenizer = Tokenizer(models.WordLevel({"b": 0, "c": 1}, unk_token="missing"))
    tokenizer.normalizer = normalizers.Replace(Regex("a(?=[ab]*b$)"), "c")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[abc]"), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("c", "a"), decoders.Fuse()])
    return tokenizer


def joins_all() -> Tokenizer:
    """One piece for every text; the decoder makes it the most frequent one."""
    tokenizer = fused(words("a", "b", "c"))
    tokenizer.normalizer = normalizers.Replace(Regex("^[ab]+$"), "c")
    tokenizer.decoder = decoders.Sequence([decoders.Fuse(), decoders.Replace("c", "ababab")])
    return tokenizer


def two_spellings() -> Tokenizer:
    """Bytes and letters for the same text, chosen by how it ends."""
    tokenizer = fused(words("a", "b", "<0x61>", "<0x62>"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex("a(?=[ab]*b$)"), "<0x61>"),
            normalizers.Replace(Regex("^b(?=[ab]*a$)"), "<0x62>"),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def strips_marks() -> Tokenizer:
    """Texts with and without a space in front are one to it."""
    tokenizer = fused(words("a", "b", "\u2581", "\u2581a", "\u2581b"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("\u2581", "always")
    tokenizer.decoder = decoders.Metaspace("\u2581", "always")
    return tokenizer


def no_decoder() -> Tokenizer:
    tokenizer = letters()
    tokenizer.decoder = None  # as a file without one
    return tokenizer


def encoder(
    make: Callable[[], Tokenizer], *, bos: str | None, max_tokens: int, missing: int = 0
) -> Encoder:
    tokenizer = TextTokenizer(make(), {"bos_token": bos})
    return Encoder(
        tokenizer,
        prescribed=False,
        max_tokens=max_tokens,
        vocabulary=tokenizer.size - missing,
    )


ADVERSARIES: dict[str, Callable[[], Tokenizer]] = {
    "letters": letters,
    "unary": unary,
    "padded": padded,
    "first flag": first_flag,
    "first word": first_word,
    "whole texts": whole_texts,
    "fails on some": fails_on_some,
    "joins all": joins_all,
    "two spellings": two_spellings,
    "strips marks": strips_marks,
    "no decoder": no_decoder,
}
