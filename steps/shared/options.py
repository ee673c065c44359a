"""What a person may choose about a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from packaging.version import Version

from migrator.catalog import Catalog
from migrator.step import Facts
from steps.advice.environment import Environment
from steps.shared.names import Embeddings
from steps.shared.versions import Accepted, accepted_by, parse


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What Immich's own settings file says of smart search; `problem` tells why it says nothing."""

    place: str
    clip_model: str | None = None
    smart_search: bool = True
    problem: str | None = None
    broken: bool = False
    """True where Immich could not read it either."""


@dataclass(frozen=True, slots=True)
class Options:
    """Choices that shape the steps.

    Attributes:
        reindex_by: who converts and builds: this tool, or a started Immich that is waited for.
        alter_system: whether the tool may write `shared_preload_libraries` with ALTER SYSTEM.
        immich_version: the release that the database is of; None = what its version_history says.
        target_immich: the release to be started afterwards; None = the documented one.
        dimensions: by table, for columns whose dimension nobody knows any more.
        path: the path from pgvecto.rs; None = chosen by what the catalogs say.
        vector_extension: Immich's DB_VECTOR_EXTENSION, "" where it is known not to be set, None where nobody knows.
        trust_server: go on from what the server holds where the journal recorded something else.
        environment: where the server runs; None = guessed from what it shows.
        clip_model: the CLIP model that Immich uses, "off" for none; None = what its settings in the database say.
        settings_file: where Immich takes its settings from a file, so that those in the database do not count.
        data_free_bytes: free space on the server's data volume, which the server itself cannot tell; None = unknown.
        include: columns of pgvecto.rs outside Immich's tables that are converted along with them.
        ignored_databases: other databases of the cluster that a person has looked at and answers for.
    """

    reindex_by: Literal["tool", "immich"] = "tool"
    alter_system: bool = True
    immich_version: str | None = None
    target_immich: str | None = None
    dimensions: Mapping[str, int] = field(default_factory=dict)
    path: Literal["automatic", "manual", "rescue"] | None = None
    vector_extension: str | None = None
    trust_server: bool = False
    environment: Environment | None = None
    clip_model: str | None = None
    settings_file: SettingsFile | None = None
    data_free_bytes: int | None = None
    ignored_databases: tuple[str, ...] = ()
    include: tuple[Embeddings, ...] = ()


def with_dimensions(facts: Facts, options: Options) -> Facts:
    """Return the facts with the dimensions that were named on the command line."""
    return {**facts, **{f"dimension.{table}": dimension for table, dimension in options.dimensions.items()}}


def recorded_release(catalog: Catalog) -> Version | None:
    """Return the Immich release that version_history names; None where there is no such table, or nothing in it."""
    answer = catalog.observed.get("immich")
    return parse(answer.value) if answer else None


def release_of(catalog: Catalog, options: Options) -> Version | None:
    """Return the Immich release that the database is of: as a person says, else as its version_history says."""
    return parse(options.immich_version) or recorded_release(catalog)


def accepted(catalog: Catalog, options: Options) -> Accepted:
    """Return the accepted versions: by the target release, else by the installed one, else the documented row."""
    if options.target_immich is not None:
        return accepted_by(options.target_immich)
    version = release_of(catalog, options)
    return accepted_by(str(version) if version else None)
