"""Environment that renders chat templates like transformers, but only plain data. Child side.

The sandbox, filters, globals and tags are those of transformers 5.23. The differences make a
rendering the same in every process: the date is fixed, and only text, numbers and lists or
mappings of them become text. Anything else would print its address in memory
(``{{ self }}``, a function, an iterator), whether it is printed, joined with ``~``, formatted or
filtered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

from jinja2 import Environment, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import do_join, make_attrgetter
from jinja2.nodes import EvalContext
from jinja2.parser import Parser
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, pass_eval_context

from sn37.adapters.scoring.model.faults import ModelFault
from sn37.domain.reasons import Reason

TODAY = "01 Jan 2026"  # for templates that print the date, in any format
_PLAIN = (str, int, float, type(None), Undefined, range)
_SURROUNDINGS = (Environment, EvalContext, Context)
# Filters that convert their input to text.
_TO_TEXT = (
    "capitalize",
    "center",
    "e",
    "escape",
    "forceescape",
    "format",
    "indent",
    "lower",
    "pprint",
    "replace",
    "safe",
    "string",
    "striptags",
    "title",
    "trim",
    "truncate",
    "upper",
    "urlencode",
    "urlize",
    "wordcount",
    "wordwrap",
    "xmlattr",
)


def plain(value: Any) -> Any:
    """Return ``value`` if it is text, a number, or lists and mappings of them.

    Raises:
        ModelFault: ``template``.
    """
    if isinstance(value, (list, tuple)):
        for part in value:
            plain(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            plain(key), plain(part)
    elif not isinstance(value, _PLAIN):
        raise ModelFault(
            Reason.TEMPLATE,
            f"the template prints a {type(value).__name__}, which differs in every process: print "
            "text, numbers, or lists of them",
        )
    return value


class _PlainCode(CodeGenerator):
    """Code in which ``~`` joins only plain data."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802  # jinja's name
        self.write("''.join((")
        for part in node.nodes:
            self.write("str(environment.finalize(")
            self.visit(part, frame)
            self.write(")), ")
        self.write("))")


class PlainEnvironment(ImmutableSandboxedEnvironment):
    """The environment of one rendering."""

    code_generator_class = _PlainCode
    intercepted_binops = frozenset({"%"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, loopcontrols],
            finalize=plain,
        )
        for name in _TO_TEXT:
            self.filters[name] = _of_plain(self.filters[name])
        self.filters["join"] = _join
        self.filters["tojson"] = _tojson
        self.globals["raise_exception"] = _raise_exception
        self.globals["strftime_now"] = _strftime_now
        self.globals["dict"] = _TemplateDict()
        self.globals["namespace"] = _TemplateNamespace

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        return super().call_binop(context, operator, left, plain(right))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        formatting = super().wrap_str_format(value)
        return None if formatting is None else _of_plain(formatting)


class _Generation(Extension):
    """The tag that marks an assistant's part for training; it changes nothing here."""

    tags = {"generation"}  # noqa: RUF012  # jinja's type

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_content"), [], [], body).set_lineno(line)

    def _content(self, caller: Macro) -> str:
        return str(caller())


class _TemplateDict:
    """``dict`` without the class's attributes, as in transformers."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class _TemplateNamespace(Namespace):
    """``namespace`` without attributes that begin with underscores, as in transformers."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # without "self", which may be a name
        self, rest = args[0], args[1:]
        attributes = dict(*rest, **kwargs)
        for name in attributes:
            _check_name(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace cannot have the attribute {name!r}: rename it")


def _of_plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that accepts only plain data."""

    @wraps(function)  # keeps jinja's marks of its other arguments
    def filtered(*args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            if not isinstance(value, _SURROUNDINGS):
                plain(value)
        return function(*args, **kwargs)

    return filtered


@pass_eval_context
def _join(context: EvalContext, value: Any, d: str = "", attribute: Any = None) -> str:
    if attribute is not None:
        value = map(make_attrgetter(context.environment, attribute), value)
    joined: str = do_join(context, [plain(part) for part in value], plain(d))
    return joined


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: Any = None,
    separators: Any = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise_exception(message: object) -> NoReturn:
    raise TemplateError(str(plain(message)))


def _strftime_now(format: object) -> str:  # noqa: A002  # templates pass it by this name
    return TODAY
