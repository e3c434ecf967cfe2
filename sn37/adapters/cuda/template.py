"""What a chat template does, learned without showing it a sample. Child side.

A template is a program by the competition or the miner. It is run on two pairs of sentinels
only, and must turn both into ``a + prompt + b + response + c`` with the same a, b, c. The
worker then applies that shape itself, so a template can neither hide the prompt, nor leak
the response, nor look at the data. One that loops meets the deadline.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from sn37.adapters.cuda.faults import ModelFault
from sn37.domain.reasons import Reason

SENTINELS = (
    ("q7Zk2Vw9XjR4", "m1LpT8sYbH3d0fKc"),
    ("Wd5nGx0uA6rEoCz8", "J2vMh9QtS4ay"),
)  # (prompt, response); plain letters survive trimming, and a template cannot expect them
MAX_TEMPLATE_CHARS = 65_536
# Templates that print the date must render alike on every day, and in every format. The
# line break belongs to the block and is not rendered.
_TODAY = "{% macro strftime_now(format) %}01 Jan 2026{% endmacro %}\n"


@dataclass(frozen=True, slots=True)
class Shape:
    """The fixed text before the prompt, between, and after the response."""

    before: str
    between: str
    after: str


def shape_of(template: str | None, tokenizer: PreTrainedTokenizerBase) -> Shape:
    """The shape of a chat template, rendered with the tokenizer's special tokens.

    Raises:
        ModelFault: ``template``: there is none, it does not render, or it has no such shape.
    """
    if template is None:
        raise ModelFault(Reason.TEMPLATE, "the model has no chat template")
    if len(template) > MAX_TEMPLATE_CHARS:
        raise ModelFault(Reason.TEMPLATE, f"longer than {MAX_TEMPLATE_CHARS} characters")
    first, second = (
        _split(_render(template, tokenizer, prompt, response), prompt, response)
        for prompt, response in SENTINELS
    )
    if first != second:
        raise ModelFault(Reason.TEMPLATE, "the text around prompt and response depends on them")
    return first


def _render(template: str, tokenizer: PreTrainedTokenizerBase, prompt: str, response: str) -> str:
    random.seed(0)  # jinja's "random" filter
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}],
        chat_template=_TODAY + template,
        tokenize=False,
    )
    if not isinstance(text, str):
        raise ModelFault(Reason.TEMPLATE, "renders to something else than text")
    return text


def _split(text: str, prompt: str, response: str) -> Shape:
    if text.count(prompt) != 1 or text.count(response) != 1:
        raise ModelFault(Reason.TEMPLATE, "prompt and response must appear once each, verbatim")
    before, rest = text.split(prompt)
    if response not in rest:
        raise ModelFault(Reason.TEMPLATE, "the response comes before the prompt")
    between, after = rest.split(response)
    return Shape(before, between, after)
