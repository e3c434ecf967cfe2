"""Commands that are imported when they are called, so that every start is fast."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

# By name: the function or group ("module:object"), and the first lines of its help.
Commands = Mapping[str, tuple[str, str]]


class LateCommand(TyperCommand):
    """Stand-in for a command in the help of its group; imports the command to run it."""

    target = ""  # "module:object"; a subclass for each command has one

    def loaded(self) -> TyperCommand | TyperGroup:
        """Import the command or group."""
        found = pkgutil.resolve_name(self.target)
        app = typer.Typer(add_completion=False)
        app.callback()(_nothing)  # without it a single command would not have a name
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=self.name)
        else:
            app.command(self.name)(found)
        group = get_command(app)
        if not isinstance(group, TyperGroup):
            raise TypeError(f"{self.target}: expected a group around it")
        command = group.commands[str(self.name)]
        if not isinstance(command, TyperCommand | TyperGroup):
            raise TypeError(f"{self.target} is not a command")
        return command

    # The library's types of contexts are private.
    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Return the context of the command itself, which then runs in place of this one."""
        return self.loaded().make_context(info_name, args, parent=parent, **extra)


def add_commands(app: typer.Typer, commands: Commands) -> None:
    """Add the commands to a group, in this order."""
    for name, (target, summary) in commands.items():
        late = type("LateCommand", (LateCommand,), {"target": target})
        app.command(name, cls=late, help=summary)(_nothing)


def _nothing() -> None:
    pass
