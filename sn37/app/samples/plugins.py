"""Data sets of installed packages, found by entry point.

A package registers a factory without arguments under the group ``sn37.datasets``; calling it
gives a ``DatasetPlugin``. Installing a plug-in does not use it: the schedule names the plug-ins
that are used, and only those are imported, each in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from sn37.ports.dataset import DatasetPlugin

GROUP = "sn37.datasets"
SIMNET_SOURCE = "simnet"  # the simulated network's feed; not a plug-in, opened by the container


def dataset_names() -> frozenset[str]:
    """Return the names of the data sets of installed packages, without importing them."""
    return frozenset(point.name for point in entry_points(group=GROUP))


def entry_point_of(name: str) -> EntryPoint:
    """Return the entry point of the plug-in registered as ``name``, without importing it.

    Raises:
        LookupError: None or several are registered as ``name``; the message names the packages.
    """
    found = tuple(entry_points(group=GROUP, name=name))
    if not found:
        known = ", ".join(sorted(dataset_names())) or "none"
        raise LookupError(f"no data set is installed as {name!r}; installed: {known}")
    if len(found) > 1:
        packages = ", ".join(sorted(_package(point) for point in found))
        raise LookupError(f"several packages offer data set {name!r}: {packages}; uninstall one")
    return found[0]


def dataset_plugin(name: str) -> DatasetPlugin:
    """Import and return the plug-in registered as ``name``; only its module is imported.

    This runs the plug-in's code, so only the process of ``plugin_process`` calls it.

    Raises:
        LookupError: As ``entry_point_of``; or it cannot be imported, or is not a dataset plug-in.
    """
    point = entry_point_of(name)
    try:
        factory: Callable[[], DatasetPlugin] = point.load()
        plugin = factory()
    except Exception as error:
        raise LookupError(
            f"data set {name!r} of {_package(point)} cannot be imported: "
            f"{type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
    if not (hasattr(plugin, "open") and hasattr(plugin, "freshness")):
        raise LookupError(
            f"data set {name!r}: {point.value} of {_package(point)} returned a "
            f"{type(plugin).__name__}, which has no freshness and open"
        )
    return plugin


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value
