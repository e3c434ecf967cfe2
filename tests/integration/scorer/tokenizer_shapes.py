"""Tokenizers in the shapes that published models have, trained on a small text in milliseconds.

Normalisers, pre-tokenizers, decoders, post-processors and added tokens are those of the
models that they are named after; the vocabularies are not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

TEXT = [
    "the model and the validator in the round read a text of the subnet twice",
    "The quick brown fox jumps over 13 lazy dogs; sphinx of black quartz, judge my vow!",
    "def f(x):\n    if x > 1:\n        return x * 2\n    return '0.5'\n",
    "caf\u00e9 na\u00efve \u6f22\u5b57 \u043c\u0438\u0440 \u03bb",
    "".join(map(chr, range(33, 127))),
] * 9
MARK = "\u2581"
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")


def _byte_level(pre: pre_tokenizers.PreTokenizer, *specials: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


def gpt2() -> Tokenizer:
    return _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), "<|endoftext|>")


def bart() -> Tokenizer:
    specials = ("<s>", "<pad>", "</s>", "<unk>")
    tokenizer = _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), *specials)
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), add_prefix_space=False
    )
    return tokenizer


def phi() -> Tokenizer:
    """Runs of spaces and tabs are added tokens that are not special."""
    tokenizer = gpt2()
    runs = [" " * length for length in range(31, 1, -1)] + ["\t" * n for n in range(9, 1, -1)]
    tokenizer.add_tokens([AddedToken(run, normalized=True) for run in runs])
    return tokenizer


def gpt_neox() -> Tokenizer:
    tokenizer = gpt2()
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens(["<|padding|>"])
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in range(24, 1, -1)])
    return tokenizer


def llama_3() -> Tokenizer:
    split = pre_tokenizers.Split(Regex(LLAMA_3), "isolated")
    tokenizer = _byte_level(
        pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)]),
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|eot_id|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 0)]
    )
    return tokenizer


def qwen() -> Tokenizer:
    """NFC, no BOS, and markup that is not special."""
    split = pre_tokenizers.Split(Regex(QWEN), "isolated")
    tokenizer = _byte_level(
        pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)]),
        "<|endoftext|>",
        "<|im_start|>",
        "<|im_end|>",
    )
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in ("<think>", "</think>")])
    return tokenizer


def falcon() -> Tokenizer:
    parts = [
        pre_tokenizers.Punctuation("contiguous"),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.Split(Regex(r"[0-9][0-9][0-9]"), "isolated"),
    ]
    return _byte_level(pre_tokenizers.Sequence(parts), ">>TITLE<<", "<|endoftext|>")


def _byte_fallback(specials: list[str]) -> Tokenizer:
    """BPE over marks instead of spaces, with a token for every byte."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Replace(" ", MARK)
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=[*specials, *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    trained.train_from_iterator([text.replace("\n", "") for text in TEXT], trainer)
    state = json.loads(trained.to_str())["model"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab=state["vocab"],
            merges=[(a, b) for a, b in state["merges"]],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.add_special_tokens(specials)
    parts = [decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(parts)
    return tokenizer


def llama_2() -> Tokenizer:
    """A mark in front of every text, whose space the decoder takes away again."""
    tokenizer = _byte_fallback(["<unk>", "<s>", "</s>"])
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(MARK, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return tokenizer


def mistral() -> Tokenizer:
    """The same, as newer files have it: a pre-tokenizer instead of the normaliser."""
    tokenizer = llama_2()
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(MARK, "first", split=False)
    return tokenizer


def gemma() -> Tokenizer:
    tokenizer = _byte_fallback(["<pad>", "<eos>", "<bos>", "<unk>"])
    tokenizer.normalizer = normalizers.Replace(" ", MARK)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.add_special_tokens(["<start_of_turn>", "<end_of_turn>"])
    tokenizer.add_tokens([AddedToken("\n" * n, normalized=False) for n in range(9, 1, -1)])
    return tokenizer


def t5() -> Tokenizer:
    """Unigram over NFKC, where runs of white space become one space; no fallback to bytes."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(MARK, "always")
    tokenizer.decoder = decoders.Metaspace(MARK, "always")
    trainer = trainers.UnigramTrainer(
        vocab_size=150,
        special_tokens=["<pad>", "</s>", "<unk>"],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def _word_piece(*, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=420, special_tokens=specials, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def bert() -> Tokenizer:
    return _word_piece(lowercase=False)


def bert_uncased() -> Tokenizer:
    return _word_piece(lowercase=True)


SHAPES: dict[str, tuple[Callable[[], Tokenizer], str | None]] = {
    "gpt2": (gpt2, "<|endoftext|>"),
    "bart": (bart, "<s>"),
    "phi": (phi, "<|endoftext|>"),
    "gpt_neox": (gpt_neox, "<|endoftext|>"),
    "llama_3": (llama_3, "<|begin_of_text|>"),
    "qwen": (qwen, None),
    "falcon": (falcon, None),
    "llama_2": (llama_2, "<s>"),
    "mistral": (mistral, "<s>"),
    "gemma": (gemma, "<bos>"),
    "t5": (t5, None),
    "bert": (bert, None),
    "bert_uncased": (bert_uncased, None),
}  # how each is made, and the BOS token that its configuration names


def save_shape(name: str, folder: Path, **settings: object) -> Path:
    """Write tokenizer.json and its settings to ``folder``."""
    make, bos = SHAPES[name]
    folder.mkdir(parents=True, exist_ok=True)
    make().save(str(folder / "tokenizer.json"))
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": bos, **settings}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    return folder
