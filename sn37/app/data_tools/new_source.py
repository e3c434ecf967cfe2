"""A data source of which a schedule is to be written, as its plug-in describes it."""

from __future__ import annotations

from collections.abc import Mapping

from sn37.app.errors import CommandError, UsageError
from sn37.app.samples.plugins import SIMNET_SOURCE
from sn37.app.samples.sources import Sources
from sn37.app.schedule.new_schedule import NewSource, source_of
from sn37.domain.schedule.competition import ParameterValue
from sn37.ports.errors import DatasetUnavailable


async def described_source(
    name: str, parameters: Mapping[str, ParameterValue], sources: Sources
) -> NewSource:
    """Ask the plug-in of a name for its kind, usual method and parameters.

    Raises:
        UsageError: No plug-in has the name; lists the installed ones. Or a parameter is missing.
        CommandError: The plug-in cannot be imported, or does not answer.
    """
    if name == SIMNET_SOURCE:
        raise UsageError(
            f"{name} comes from the simulation, not from a plug-in: start from "
            "sn37 schedule show simnet --toml"
        )
    try:
        freshness, description = await sources.describe(name)
    except LookupError as error:
        raise UsageError(str(error.args[0])) from error
    except DatasetUnavailable as error:
        raise CommandError(str(error)) from error
    found = NewSource(
        name=name, freshness=freshness, description=description, parameters=parameters
    ).with_branch()
    if missing := found.missing():
        needed = " and ".join(f"--parameter {p.name}=VALUE ({p.takes})" for p in missing)
        raise UsageError(f"data set {name} needs {needed}")
    return found


async def require_opens(source: NewSource, sources: Sources) -> None:
    """Open a source with the parameters that are to be written.

    One at a branch is left out: it opens after ``sn37 schedule pin`` has written a commit.

    Raises:
        UsageError: The plug-in refuses the parameters.
        CommandError: It does not answer.
    """
    if source.is_open:
        return
    try:
        await sources.open(source_of(source))
    except ValueError as error:
        raise UsageError(str(error)) from error
    except (LookupError, DatasetUnavailable) as error:
        raise CommandError(str(error.args[0])) from error
