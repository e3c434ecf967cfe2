"""The layout of a help page: panels as wide as the terminal, in which everything wraps."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap
from typing import Any

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from sn37.app.cli import options
from sn37.app.cli.terminal.help_text import examples_of, is_of_examples, paragraphs

_MAX_NAMES = 0.4  # of a panel's width
_HIGH = 100_000  # a limit above it is not worth a place in the help


def print_page(command: TyperCommand | TyperGroup, ctx: Any) -> None:
    """Print the help page of a command in the width of the terminal."""
    console = Console(highlight=False)
    for part in _page(command, ctx, console.width):
        console.print(part)


def _page(command: TyperCommand | TyperGroup, ctx: Any, width: int) -> Iterator[RenderableType]:
    usage = f"Usage: {' '.join([ctx.command_path, *_usage(command, ctx)])}"
    yield ""
    for line in _wrapped(usage, width - 1):
        yield Text(f" {line}", style="bold")
    for paragraph in paragraphs(command.help):
        if not is_of_examples(paragraph):
            yield ""
            yield from (Text(f" {line}") for line in _wrapped(paragraph, width - 1))
    yield ""
    parameters = command.get_params(ctx)
    arguments = [p for p in parameters if isinstance(p, TyperArgument)]
    yield from _panel("Arguments", ((_name(p), _meaning(p, ctx)) for p in arguments), width)
    shown = [p for p in parameters if isinstance(p, TyperOption) and not p.hidden]
    for title in dict.fromkeys(["Options", *(_title(p) for p in shown)]):
        rows = [(_names(p, ctx), _meaning(p, ctx)) for p in shown if _title(p) == title]
        yield from _panel(title, rows, width)
    if isinstance(command, TyperGroup):
        yield from _commands(command, width)
    if examples := examples_of(command.help):
        yield Text("Examples:")
        for example in examples:
            yield from (Text(line) for line in _command_lines(_as_called(example, ctx), width))


def _usage(command: TyperCommand | TyperGroup, ctx: Any) -> Iterator[str]:
    yield "[OPTIONS]"
    for p in command.get_params(ctx):
        if isinstance(p, TyperArgument):
            yield str(_name(p)) if p.required else f"[{_name(p)}]"
    if isinstance(command, TyperGroup):
        yield "COMMAND [ARGS]..."


def _commands(group: TyperGroup, width: int) -> Iterator[RenderableType]:
    named = getattr(group, "panels", {})
    others = [name for name in group.commands if name not in named]
    panels = {name: named.get(name, "Commands") for name in (*named, *others)}
    for title in dict.fromkeys(panels.values()):
        rows = []
        for name in panels:
            if panels[name] == title and name in group.commands:
                summary = next(paragraphs(group.commands[name].help))
                rows.append((Text(name, style="bold cyan"), Text(summary)))
        yield from _panel(title, rows, width)


def _panel(title: str, rows: Iterable[tuple[Text, Text]], width: int) -> Iterator[RenderableType]:
    """Yield a panel of names and their meanings; none without rows."""
    rows = list(rows)
    if not rows:
        return
    widest = max(name.cell_len for name, _ in rows)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=min(widest, int(_MAX_NAMES * width)), overflow="fold")
    table.add_column(overflow="fold", ratio=1)
    for row in rows:
        table.add_row(*row)
    yield Panel(table, title=title, title_align="left", border_style="dim")


def _title(option: TyperOption) -> str:
    return option.rich_help_panel or "Options"


def _name(argument: TyperArgument) -> Text:
    name = (argument.metavar or str(argument.name).upper()).strip("[]")
    return Text(name if argument.nargs == 1 else f"{name}...", style="bold cyan")


def _names(option: TyperOption, ctx: Any) -> Text:
    """Return the short name, the others, and a word for the value."""
    names = sorted([*option.opts, *option.secondary_opts], key=lambda name: name.startswith("--"))
    text = Text(" ".join(names), style="bold cyan")
    if not option.is_flag:
        text.append(f" {option.metavar or _word(option.display_type(ctx))}", style="yellow")
    return text


def _word(kind: str) -> str:
    """Return what stands for a value of a kind that typer names, such as ``<int range>``."""
    if "path" in kind.lower() or "file" in kind or "directory" in kind:
        return "PATH"
    return "NUMBER" if "int" in kind or "float" in kind else "TEXT"


def _meaning(parameter: TyperArgument | TyperOption, ctx: Any) -> Text:
    text = Text(" ".join((parameter.help or "").split()))
    if notes := "; ".join(_notes(parameter, ctx)):
        text.append(f" [{notes}]" if text else f"[{notes}]", style="dim")
    return text


def _notes(parameter: TyperArgument | TyperOption, ctx: Any) -> Iterator[str]:
    if parameter.required:
        yield "required"
    if isinstance(parameter, TyperOption) and (variable := options.variable_of(parameter)):
        yield variable
    if default := _default(parameter, ctx):
        yield f"default: {default}"
    least, most = parameter.min, parameter.max
    if most is not None and most <= _HIGH:
        yield f"{least or 0:g} to {most:g}"
    elif least is not None:
        yield f"at least {least:g}"


def _default(parameter: TyperArgument | TyperOption, ctx: Any) -> str:
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if not parameter.show_default or (value := parameter.get_default(ctx, call=False)) is None:
        return ""
    if isinstance(value, bool):
        return ""  # a flag that is not given
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _wrapped(text: str, width: int) -> Sequence[str]:
    return wrap(text, width, break_on_hyphens=False)


def _as_called(example: str, ctx: Any) -> str:
    """Return an example with the program's name as it was typed."""
    program = ctx.find_root().info_name
    door = program.rpartition("sn37.app.")[2]
    return example.replace(f"sn37 {door}", program, 1) if door != program else example


def _command_lines(command: str, width: int) -> Iterator[str]:
    r"""Yield a command line in pieces that fit and can be pasted: all but the last end in ``\``."""
    words = [shlex.quote(word) for word in shlex.split(command)]
    line = "  "
    for word in words:
        if line.strip() and len(line) + 1 + len(word) > width - 2:
            yield f"{line} \\"
            line = "    "
        line += word if not line.strip() else f" {word}"
    yield line
