"""Templates print plain data, alike in every process, and fail with a sentence."""

from __future__ import annotations

import asyncio
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from sn37.adapters.scoring.model.faults import ModelFault
from sn37.adapters.scoring.model.template import MAX_TEMPLATE_CHARS, Shape, own_template, shape_of
from sn37.adapters.scoring.rendering import template_problem
from sn37.adapters.scoring.scorer import WorkerScorer
from sn37.app.cli import root as main
from sn37.app.cli.run import run
from sn37.domain.reasons import Reason
from sn37.testing.tiny_models import TEMPLATE, a_real_job, save_model
from tests.integration.scorer.verdicts import scored, verdict

BURN = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty"
TURNS = "{{ messages[0].content }}|{{ messages[1].content }}"
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
CHAT = [{"role": "user", "content": "q7Zk"}, {"role": "assistant", "content": "m1Lp"}]
ADDRESSES = (
    "{{ self }}",
    "{{ raise_exception }}",
    "{{ strftime_now }}",
    "{{ messages.index }}",
    "{{ namespace }}",
    "{{ namespace() }}",
    "{{ cycler('a') }}",
    "{{ joiner }}",
    "{{ dict }}",
    "{{ loop }}{% for m in messages %}{{ loop }}{% endfor %}",
    "{{ messages | map(attribute='role') }}",
    "{{ [messages | batch(1)] }}",
    "{{ {'a': raise_exception} }}",
    "{{ {raise_exception: 1} }}",
    "{{ (1, [range]) }}",
    "{{ 'a' ~ raise_exception }}",
    "{{ raise_exception ~ '' }}",
    "{{ raise_exception | string | length }}",
    "{{ (raise_exception | string)[-6:] }}",
    "{{ (messages | map('upper') | string)[-9] }}",
    "{{ raise_exception | upper }}",
    "{{ raise_exception | e }}",
    "{{ raise_exception | pprint }}",
    "{{ raise_exception | trim }}",
    "{{ raise_exception | replace('a', 'b') }}",
    "{{ 'a' | replace('a', raise_exception) }}",
    "{{ '%s' | format(raise_exception) }}",
    "{{ '%s' % raise_exception }}",
    "{{ '%(x)s' % {'x': raise_exception} }}",
    "{{ '{}'.format(raise_exception) }}",
    "{{ '{a}'.format(a=raise_exception) }}",
    "{{ '{a}'.format_map({'a': raise_exception}) }}",
    "{{ [raise_exception] | join }}",
    "{{ [{}] | join(attribute='items') }}",
    "{{ ['a', 'b'] | join(raise_exception) }}",
    "{{ [raise_exception] | map('string') | list }}",
    "{{ [raise_exception] | map('string') | first }}",
    "{{ {'a': raise_exception} | xmlattr }}",
    "{{ {'a': raise_exception} | urlencode }}",
    "{% set x %}{{ raise_exception }}{% endset %}{{ x[-4:] }}",
    "{% macro f() %}{{ caller }}{% endmacro %}{% call f() %}{% endcall %}",
    "{% if '7' in raise_exception ~ '' %}{% endif %}",
    "{% set s = raise_exception | string %}",
    "{% generation %}{{ self }}{% endgeneration %}",
)
ORDINARY = (
    TEMPLATE,
    "{{ messages }}",
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m.content | trim }}"
    "{% endfor %}",
    "{{- bos_token }}{% for m in messages -%}  [{{ loop.index }}/{{ loop.length }}] {{ m.content }}"
    "{% if not loop.last %}{{ '\\n\\n' }}{% endif %}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{{ ns.n }}"
    "{{ m.content }}{% endfor %}{% if add_generation_prompt %}x{% endif %}{{ tools }}{{ missing }}",
    "{% macro turn(m) %}<{{ m.role }}>{{ m.content }}{% endmacro %}{% for m in messages %}"
    "{{ turn(m) }}{% endfor %}{{ eos_token ~ 7 ~ 1.5 ~ true ~ none }}",
    "{% for m in messages %}{% generation %}{{ m['content'] }}{% endgeneration %}{{ '%s-%d' % ("
    "m.role, 3) }}{% endfor %}",
    "{% for m in messages %}{% if loop.index > 2 %}{% break %}{% endif %}{{ m | tojson }}"
    "{% endfor %}",
    "{{ messages | map(attribute='content') | join(' // ') }}{{ ['a', 2] | join('-') }}",
    "{{ messages[0].content }}{{ '{}:{a}'.format(1, a=[2]) }}{{ dict(x=1) }}{{ range(3) | list }}"
    "{{ messages[1]['content'] }}{{ messages | selectattr('role', 'eq', 'user') | list | length }}",
)


@pytest.mark.parametrize("template", ORDINARY)
def test_an_ordinary_template_renders_as_transformers_renders_it(template: str) -> None:
    rendered: Any = render_jinja_template(  # its annotation says str
        [CHAT], chat_template=template, bos_token="<s>", eos_token="</s>"
    )
    shape = shape_of(template, TOKENS)
    assert f"{shape.before}q7Zk{shape.between}m1Lp{shape.after}" == rendered[0][0]


@pytest.mark.parametrize("printed", ADDRESSES)
def test_t13_a_template_that_prints_an_object_is_refused(printed: str) -> None:
    with pytest.raises(ModelFault, match="in every process") as caught:
        shape_of(printed + TURNS, TOKENS)
    assert caught.value.reason is Reason.TEMPLATE


def test_the_date_is_fixed_in_every_format() -> None:
    shape = shape_of("{{ strftime_now('%d %b %Y') }} {{ strftime_now('%s') }} " + TURNS, {})
    assert shape == Shape(before="01 Jan 2026 01 Jan 2026 ", between="|", after="")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ '\\ud800' }}" + TURNS, "surrogate"),
        ("x" * (MAX_TEMPLATE_CHARS + 1), "longer"),
        (None, "no chat template"),
        ("{{ messages[1].content }}", "once each"),
    ],
)
def test_t13_what_is_no_template_is_refused_with_a_sentence(
    template: str | None, words: str
) -> None:
    with pytest.raises(ModelFault, match=words) as caught:
        shape_of(template, TOKENS)
    assert caught.value.reason is Reason.TEMPLATE


@pytest.mark.parametrize("names", [{"__class__": 1}, {"_x": 1}])
def test_a_namespace_takes_no_private_names(names: dict[str, int]) -> None:
    for template in (
        "{% set n = namespace(" + json.dumps(names) + ") %}" + TURNS,
        "{% set n = namespace() %}{% set n._x = 1 %}" + TURNS,
    ):
        with pytest.raises(Exception, match="cannot have the attribute"):
            shape_of(template, TOKENS)


NOT_TEMPLATES = {
    "not UTF-8": ("chat_template.jinja", b"\xff\xfe{{ messages }}", "not UTF-8"),
    "texts": ("tokenizer_config.json", {"chat_template": ["a", "b"]}, "other entries"),
    "nameless": (
        "tokenizer_config.json",
        {"chat_template": [{"name": "default"}]},
        "other entries",
    ),
    "numbers": (
        "tokenizer_config.json",
        {"chat_template": [{"name": 1, "template": 2}]},
        "other entries",
    ),
    "a number": ("tokenizer_config.json", {"chat_template": 7}, "not text"),
    "a mapping": ("tokenizer_config.json", {"chat_template": {"default": "x"}}, "not text"),
    "no default": (
        "tokenizer_config.json",
        {"chat_template": [{"name": "tools", "template": ""}]},
        "no chat template",
    ),
    "none": ("tokenizer_config.json", {}, "no chat template"),
}


@pytest.mark.parametrize("case", NOT_TEMPLATES)
def test_t13_files_that_hold_no_template_are_refused_by_the_worker_with_a_sentence(
    warm_scorer: WorkerScorer, tmp_path: Path, case: str
) -> None:
    name, content, words = NOT_TEMPLATES[case]
    save_model(tmp_path, template=None)
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        (tmp_path / name).write_text(json.dumps(content))
    refusal = verdict(warm_scorer, a_real_job(tmp_path))
    assert refusal.reason is Reason.TEMPLATE
    assert words in str(refusal)


def test_of_several_templates_the_default_is_taken(
    warm_scorer: WorkerScorer, tmp_path: Path
) -> None:
    save_model(tmp_path, template=None)
    several = [{"name": "tools", "template": "x"}, {"name": "default", "template": TURNS}]
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text(json.dumps({"chat_template": several, "bos_token": "<s>"}))
    assert own_template(tmp_path) == TURNS
    assert len(scored(warm_scorer, a_real_job(tmp_path))) == 40


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (TURNS, None),
        (TEMPLATE, None),
        # Special tokens are stand-ins, not undefined.
        ("{{ bos_token + messages[0].content + eos_token }}" + TURNS.partition("|")[2], None),
        (
            "a\n{{ messages[0].content",
            "line 2 of the template: unexpected end of template, "
            "expected 'end of print statement'.",
        ),
        ("{{ messages[0].content }}", "prompt and response must appear once each, verbatim"),
        ("{{ messages[7].content.x }}", "UndefinedError: list object has no element 7"),
        ("{{ raise_exception('no\ntools') }}", "TemplateError: no"),
        ("{{ 'a' * 10 ** 10 }}", "MemoryError: "),
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "rendering does not end within 5 s",
        ),
    ],
)
def test_a_schedule_s_template_is_rendered_as_a_worker_does(
    template: str, told: str | None
) -> None:
    assert asyncio.run(template_problem(template, timeout_s=5)) == told


def test_schedule_check_refuses_a_template_that_does_not_render(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = (files("sn37.app") / "schedules/simnet.toml").read_text()
    lines = f'burn = "{BURN}"\n{preset}'.splitlines()
    number = next(n for n, line in enumerate(lines) if line.startswith("template = "))
    file = tmp_path / "rules.toml"
    for template, code in (("{{ messages[0].content }}", 1), (TURNS, 0)):
        lines[number] = f"template = '{template}'"
        file.write_text("\n".join(lines))
        assert run(main.app, ["schedule", "check", str(file)], prog_name="sn37") == code
        told = (
            f"error: {file}, line {number + 1}: competitions.instruct.template: "
            "prompt and response must appear once each, verbatim; see sn37 docs schedules\n"
        )
        assert capsys.readouterr().err == (told if code else "")
