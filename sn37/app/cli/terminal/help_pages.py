"""Help pages: complete at every width, with defaults, environment variables and examples.

The text comes from the docstring of a command. A paragraph of lines that begin with ``sn37`` has
examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

HELP_OPTIONS = ("-h", "--help")


class HelpCommand(TyperCommand):
    """Command with a help page of ours."""

    # The library's types of contexts are private.
    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Return a context in which ``-h`` asks for help, too."""
        extra.setdefault("help_option_names", [*HELP_OPTIONS])
        return super().make_context(info_name, args, parent=parent, **extra)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; to complete a line without checks, which take slow imports."""
        if not ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        values, rest, _ = self.make_parser(ctx).parse_args(args=args)
        ctx.params |= values
        ctx.args = rest
        return rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the page."""
        show_page(self, ctx)


class HelpGroup(TyperGroup):
    """Group of commands with a help page of ours; ``panels`` has a title for some of them."""

    panels: Mapping[str, str] = {}

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Return a context in which ``-h`` asks for help, too."""
        extra.setdefault("help_option_names", [*HELP_OPTIONS])
        return super().make_context(info_name, args, parent=parent, **extra)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options; those that typer adds begin as ``False``.

        It checks another beginning, with slow imports.
        """
        params = super().get_params(ctx)
        for option in params:
            if isinstance(option, TyperOption) and option.is_flag and option.default is None:
                option.default = False
        return params

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the page."""
        show_page(self, ctx)


def with_help_pages(app: typer.Typer) -> typer.Typer:
    """Return ``app``, whose commands and group have help pages of ours from now on."""
    if not isinstance(app.info.cls, type) or not issubclass(app.info.cls, HelpGroup):
        app.info.cls = HelpGroup
    for command in app.registered_commands:
        if command.cls in (None, TyperCommand):
            command.cls = HelpCommand
    return app


def show_page(command: TyperCommand | TyperGroup, ctx: Any) -> None:
    """Print the help page of a command."""
    from sn37.app.cli.terminal.help_layout import print_page  # takes time to import

    print_page(command, ctx)
