"""Shape of a chat template, learned without showing it a sample. Child side.

A template is a program by the competition or the miner. It is run only on two pairs of sentinels,
and must turn both into ``a + prompt + b + response + c`` with the same a, b, c. The worker then
applies that shape itself, so a template can neither hide the prompt, nor leak the response, nor
read the data. The deadline ends a template that loops.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sn37.adapters.admission.files import TOKENIZER_CONFIG
from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.template_environment import PlainEnvironment
from sn37.domain.reasons import Reason

SENTINELS = (
    ("q7Zk2Vw9XjR4", "m1LpT8sYbH3d0fKc"),
    ("Wd5nGx0uA6rEoCz8", "J2vMh9QtS4ay"),
)  # (prompt, response); plain letters survive trimming, and a template cannot expect them
MAX_TEMPLATE_CHARS = 65_536
FILE = "chat_template.jinja"
_KEY = "chat_template"
_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Shape:
    """The fixed text before the prompt, between, and after the response."""

    before: str
    between: str
    after: str


def own_template(folder: Path) -> str | None:
    """Return the model's own chat template as text; of several, the one named "default".

    Raises:
        ModelFault: ``template``: the model's file is not a template.
    """
    file, settings = folder / FILE, folder / TOKENIZER_CONFIG
    if file.exists():
        try:
            return file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ModelFault(Reason.TEMPLATE, f"{FILE} is not UTF-8: save it as UTF-8") from error
    if not settings.exists():
        return None
    try:
        values = json.loads(settings.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelFault(Reason.TEMPLATE, f"{TOKENIZER_CONFIG} is not JSON: {error}") from error
    return _chosen(values.get(_KEY) if isinstance(values, dict) else None)


def _chosen(value: object) -> str | None:
    """Return the template, or the default of several, in a tokenizer's settings."""
    if isinstance(value, list):
        named = {}
        for entry in value:
            match entry:
                case {"name": str(name), "template": str(template)}:
                    named[name] = template
                case _:
                    raise _no_text("a list with other entries than names and templates")
        value = named.get(_DEFAULT)
    if value is not None and not isinstance(value, str):
        raise _no_text("not text")
    return value


def _no_text(what: str) -> ModelFault:
    return ModelFault(
        Reason.TEMPLATE, f"{_KEY} in {TOKENIZER_CONFIG} is {what}: write the template to {FILE}"
    )


def shape_of(template: str | None, special_tokens: Mapping[str, str]) -> Shape:
    """Return the shape of a chat template, rendered with the tokenizer's special tokens.

    Args:
        special_tokens: By their names in templates, such as ``bos_token``.

    Raises:
        ModelFault: ``template``: it is missing, does not render, or has no such shape.
    """
    if template is None:
        raise ModelFault(Reason.TEMPLATE, "the model has no chat template")
    if len(template) > MAX_TEMPLATE_CHARS:
        raise ModelFault(
            Reason.TEMPLATE, f"the template is longer than {MAX_TEMPLATE_CHARS} characters"
        )
    first, second = (
        _split(_render(template, special_tokens, prompt, response), prompt, response)
        for prompt, response in SENTINELS
    )
    if first != second:
        raise ModelFault(Reason.TEMPLATE, "the text around prompt and response depends on them")
    return first


def _render(template: str, special_tokens: Mapping[str, str], prompt: str, response: str) -> str:
    random.seed(0)  # jinja's "random" filter uses it
    text = (
        PlainEnvironment()
        .from_string(template)
        .render(
            **special_tokens,
            messages=[
                {"role": "user", "content": prompt},
                {"role": "assistant", "content": response},
            ],
            tools=None,
            documents=None,
            add_generation_prompt=False,
        )
    )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ModelFault(
            Reason.TEMPLATE, "the template renders half of a surrogate pair, which is not text"
        )
    return text


def _split(text: str, prompt: str, response: str) -> Shape:
    if text.count(prompt) != 1 or text.count(response) != 1:
        raise ModelFault(Reason.TEMPLATE, "prompt and response must appear once each, verbatim")
    before, rest = text.split(prompt)
    if response not in rest:
        raise ModelFault(Reason.TEMPLATE, "the response comes before the prompt")
    between, after = rest.split(response)
    return Shape(before, between, after)
