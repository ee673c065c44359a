"""VectorChord's releases and the number of the on-disk format of their indexes, in one table.

An index is readable by releases of its own number only. The catalogs do not show the number of an index; the release
that the catalog names and the one that the server offers tell what an update will meet.
"""

from __future__ import annotations

from typing import Literal

from packaging.version import Version

from migrator.catalog import Catalog
from steps.shared.names import VCHORD_LOADED
from steps.shared.versions import parse

AccessMethod = Literal["vchordrq", "vchordg"]

FORMATS: dict[tuple[int, int], dict[AccessMethod, int]] = {
    (0, 2): {"vchordrq": 4},
    (0, 3): {"vchordrq": 5},
    (0, 4): {"vchordrq": 9},
    (0, 5): {"vchordrq": 11, "vchordg": 10},
    (1, 0): {"vchordrq": 1000, "vchordg": 1000},
    (1, 1): {"vchordrq": 1001, "vchordg": 1001},
}
"""By series, that is major and minor number; the number never changed within one."""

READS_DEAD_ROWS_FROM = Version("1.0")
"""From this release on a build stumbles over dead row versions: VACUUM comes first."""
DROPS_SCALAR8_FROM = Version("1.1")
"""This release's own update script drops type scalar8, with CASCADE."""

SERIES_BY_SETTING = (("vchordrq.enable_scan", (0, 5)), ("vchordrq.prefilter", (0, 4)))
"""Settings that exist from a series on, newest first: what the loaded library shows of its age to every role."""
GONE_SETTINGS = {"vchordrq.prewarm_dim": Version("0.4"), "vchordrq.prererank_filtering": Version("0.4")}
"""Settings that a release does not know any more: stored ones give a warning at every connect, and stop Immich."""


def format_of(version: str | None, method: AccessMethod = "vchordrq") -> int | None:
    """Return the format number of a release, None for one that the table does not know."""
    parsed = parse(version)
    return None if parsed is None else FORMATS.get((parsed.major, parsed.minor), {}).get(method)


def at_least(version: str | None, limit: Version) -> bool:
    """Tell whether a version is at least another; what cannot be parsed is not."""
    parsed = parse(version)
    return parsed is not None and parsed >= limit


def is_newer(version: str | None, than: str | None) -> bool:
    """Tell whether a version is newer than another; what cannot be parsed is not."""
    one, other = parse(version), parse(than)
    return one is not None and other is not None and one > other


def loaded_series(catalog: Catalog) -> tuple[int, int] | None:
    """Return the oldest series that the loaded library can be of, as far as its settings show; None where not loaded.

    0.5 stands for itself and everything newer: no setting came since.
    """
    if VCHORD_LOADED not in catalog.settings:
        return None
    return next((series for name, series in SERIES_BY_SETTING if name in catalog.settings), (0, 3))


def looks_like(catalog: Catalog, version: str | None) -> bool:
    """Tell whether the loaded library can be of this release."""
    loaded, parsed = loaded_series(catalog), parse(version)
    if loaded is None or parsed is None:
        return False
    wanted = (parsed.major, parsed.minor)
    newest = SERIES_BY_SETTING[0][1]
    return wanted >= newest if loaded == newest else wanted == loaded or (wanted < loaded == (0, 3))
