"""Which Immich releases may follow each other: some have to be started once on the way."""

from __future__ import annotations

from packaging.version import Version

from migrator.catalog import Catalog
from migrator.step import Blocker
from steps.shared.options import Options, accepted, recorded_release, release_of
from steps.shared.versions import parse, written

OLDEST_THAT_MAY_JUMP = Version("1.107.2")
"""An Immich from 1.133 on refuses a database of an older release: "Invalid upgrade path"."""
OLDEST_BEFORE_1_137 = Version("1.132.0")
FIRST_WITH_OWN_MIGRATIONS = Version("1.137.0")


def upgrade_blockers(catalog: Catalog, options: Options) -> tuple[Blocker, ...]:
    """Return why the Immich that is to be started would refuse this database, whatever is done to its vectors."""
    installed, target = release_of(catalog, options), parse(options.target_immich)
    if installed is None:
        return ()
    if installed < OLDEST_THAT_MAY_JUMP:
        return (_invalid_path(installed, "1.107.2, then any of 1.132 to 1.136"),)
    if target is not None and target >= FIRST_WITH_OWN_MIGRATIONS and installed < OLDEST_BEFORE_1_137:
        return (_invalid_path(installed, "any of 1.132 to 1.136"),)
    return ()


def today(catalog: Catalog, options: Options) -> str:
    """Return the release that the database is of, and who says so where that is a person."""
    installed, recorded = release_of(catalog, options), recorded_release(catalog)
    said = " (as given)" if options.immich_version is not None and recorded != installed else ""
    return f"{installed}{said}" if installed else "unknown"


def next_release(catalog: Catalog, options: Options) -> str:
    """Return the release that will be started afterwards, as far as anybody said; otherwise the range that fits."""
    return options.target_immich or written(accepted(catalog, options).immich)


def release_warnings(catalog: Catalog, options: Options) -> list[str]:
    """Return a sentence where nobody knows Immich's release, or two say different things of it."""
    installed, recorded = release_of(catalog, options), recorded_release(catalog)
    if installed is None:
        return ["no version_history tells which Immich this database is of: say it with --immich-version VERSION"]
    if recorded is not None and recorded != installed:
        return [f"version_history says Immich {recorded}; --immich-version {installed} counts"]
    return []


def _invalid_path(installed: Version, stops: str) -> Blocker:
    return Blocker(
        what="Immich's own upgrade path",
        found=f"the database is of Immich {installed}; the next one would end with: Invalid upgrade path",
        wanted=f"Immich {stops}, started once each, before this migration",
        fix=("start these releases first, on pgvecto.rs as it is",),
        who="operator",
    )
