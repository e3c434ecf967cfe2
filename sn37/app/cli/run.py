"""Command lines: commands imported when they are called, and the runner that reports errors.

Every known error becomes one line, or one for each thing that is wrong, and an exit code:

0 done, 1 failed, 2 wrong usage, 130 interrupted from the terminal. An error of the system about a
file is a known error, and its line names the file. Anything else is a bug and keeps its
traceback, unless the command has a log for it.

With ``--json`` the refusal is on standard output, too, as the only document there:
``{"error": {"what": ..., "details": [...], "page": ..., "exit_code": ...}}``.
"""

from __future__ import annotations

import errno
import json
import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import takewhile
from typing import Any, TextIO

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from sn37.app import interrupts
from sn37.app.cli.terminal.help_pages import with_help_pages
from sn37.app.errors import CommandError
from sn37.app.interrupts import INTERRUPTED
from sn37.app.streams import abandon
from sn37.domain.printable import printable
from sn37.ports.errors import PortError
from sn37.wrong_values import reason, shown

# Errors of writing to an open file; they do not name the file.
_OF_DISKS = frozenset({errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC})

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
            app.add_typer(with_help_pages(found), name=self.name)
        else:
            app.command(self.name)(found)
        group = get_command(with_help_pages(app))
        if not isinstance(group, TyperGroup):
            raise TypeError(f"{self.target}: expected a group around it")
        return _loaded(group.commands[str(self.name)])

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


def run(app: typer.Typer, args: Sequence[str] | None = None, *, prog_name: str) -> int:
    """Run ``app`` and return the exit code."""
    given = list(sys.argv[1:] if args is None else args)
    refuse = partial(_refuse, app, given)
    try:
        interrupts.as_usual()
        code = with_help_pages(app)(given, standalone_mode=False, prog_name=prog_name)
        if sys.stdout is not None:
            sys.stdout.flush()
    except typer.TyperException as error:
        message = _message(error)
        if not message:  # a group without a command: its help has been printed
            return error.exit_code
        context = getattr(error, "ctx", None)  # the library's parser of options leaves it out
        words = [prog_name, *_called(app, given)[1]]
        command = " ".join(words) if context is None else context.command_path
        return refuse(f"{message[:1].lower()}{message[1:]}; see {command} --help", error.exit_code)
    except CommandError as error:
        return refuse(str(error), error.exit_code, error.lines, page=error.page)
    except PortError as error:
        return refuse(str(error), 1)
    except OSError as error:
        return refuse(_of_file(error), 1)
    except typer.Abort:
        return refuse("interrupted", 1)
    except KeyboardInterrupt:  # before typer handles it
        code = INTERRUPTED
    if code == INTERRUPTED:
        return refuse("interrupted", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _wants_json(app: typer.Typer, args: Sequence[str]) -> bool:
    """True if the option ``--json`` was given, unless it names a file, as that of the validator."""
    if "--json" not in takewhile(lambda arg: arg != "--", args):
        return False
    command, _ = _called(app, args)
    return all(
        option.is_flag
        for option in command.params
        if isinstance(option, TyperOption) and "--json" in option.opts
    )


def _called(app: typer.Typer, args: Sequence[str]) -> tuple[TyperCommand | TyperGroup, list[str]]:
    """Return the command of a command line, and the words that name it below the program."""
    command, words = _loaded(get_command(app)), []
    for arg in args:
        if not isinstance(command, TyperGroup) or arg not in command.commands:
            break
        command = _loaded(command.commands[arg])
        words.append(arg)
    return command, words


def _loaded(command: object) -> TyperCommand | TyperGroup:
    found = command.loaded() if isinstance(command, LateCommand) else command
    if not isinstance(found, TyperCommand | TyperGroup):
        raise TypeError(f"{found!r} is not a command")
    return found


def _message(error: typer.TyperException) -> str:
    """Return typer's message; for a value of the wrong kind, in our words and with the value."""
    if (cause := error.__cause__) is not None:
        from pydantic import ValidationError  # slow to import

        if isinstance(cause, ValidationError):
            problem = cause.errors(include_url=False)[0]
            error.message = f"{reason(problem)}, not {shown(problem['input'])}"
    return error.format_message().rstrip(".")


def _of_file(error: OSError) -> str:
    """Return the system's message, with the name of the file when it is known.

    Raises:
        OSError: The error concerns neither a file nor a disk, so it is a bug of ours.
    """
    why = error.strerror or str(error)
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {why}"
    if error.errno not in _OF_DISKS:
        raise error
    if _is_refused(sys.stdout):
        abandon(sys.stdout)
        return f"standard output: {why}"
    return why


def _is_refused(stream: TextIO | None) -> bool:
    """True if even an empty line cannot be written to the stream."""
    try:
        if stream is not None:
            stream.write("\n")
            stream.flush()
    except OSError:
        return True
    return False


def _refuse(
    app: typer.Typer,
    args: Sequence[str],
    message: str,
    code: int,
    lines: Sequence[str] = (),
    *,
    page: str | None = None,
) -> int:
    """Print why a command failed, and return the exit code."""
    message = " ".join(message.split())
    shown = [f"error: {message}", *lines]
    if page is not None:
        shown = [*shown, _see(page)] if lines else [f"{shown[0]}; {_see(page)}"]
    try:
        for line in shown:
            typer.echo(printable(line), err=True)
    except OSError:  # nobody reads it; the exit code is left
        abandon(sys.stderr)
    if _wants_json(app, args):
        error = {"what": message, "details": [*lines], "page": page, "exit_code": code}
        try:
            typer.echo(json.dumps({"error": error}, indent=2))
            sys.stdout.flush()
        except OSError:
            abandon(sys.stdout)
    return code


def _see(page: str) -> str:
    """Return where to read more: the installed document, and the project's address if known."""
    from sn37.app.manual.library import project_url

    url = project_url()
    return f"see sn37 docs {page}{f' or {url}' if url else ''}"
