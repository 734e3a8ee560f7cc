"""What other packages add to this one: entry points, a group for each kind of thing.

Put here: finding them by name without importing anything, importing the one that is used.
Keep out: what a thing must be; the registry of each kind says it.
"""

from collections.abc import Collection
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

CORPORA: Final = "mmvp.corpora"
ENCODERS: Final = "mmvp.encoders"
BACKENDS: Final = "mmvp.backends"
GRADERS: Final = "mmvp.graders"
PROTOCOLS: Final = "mmvp.protocols"
GROUPS: Final = (CORPORA, ENCODERS, BACKENDS, GRADERS, PROTOCOLS)


@cache
def _points(group: str) -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=group)))


def forget() -> None:
    """Look for installed packages anew."""
    _points.cache_clear()


def offered(group: str, ours: Collection[str]) -> dict[str, EntryPoint]:
    """Return what other packages offer in a group, by name; `ours` are the names taken.

    Raises:
        ValueError: if a package claims a name that is taken.
    """
    found: dict[str, EntryPoint] = {}
    for point in _points(group):
        if point.name in ours or found.setdefault(point.name, point).value != point.value:
            message = (
                f"package {package_of(point)} offers {point.name!r} in {group}, a name that is "
                f"taken; rename its entry point, or uninstall it"
            )
            raise ValueError(message)
    return found


def load(point: EntryPoint) -> Any:
    """Import what an entry point names.

    Raises:
        ValueError: if that fails, whatever it raises.
    """
    try:
        return point.load()
    except Exception as error:
        message = (
            f"package {package_of(point)} offers {point.name!r} in {point.group} as "
            f"{point.value!r}, which cannot be loaded: {type(error).__name__}: {error}; "
            f"mend or uninstall the package"
        )
        raise ValueError(message) from error


def package_of(point: EntryPoint) -> str:
    """Return the package that an entry point belongs to, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else repr(point.value)


def installed() -> dict[str, str]:
    """Return the packages of all entry points by group and name, for stages that may use them."""
    return {f"{one.group}:{one.name}": package_of(one) for g in GROUPS for one in _points(g)}
