"""The paths: each list, read from top to bottom, is the documented procedure of the page "Pre-existing Postgres".

A number is that of the documented step which a state carries out; `added` marks what this tool adds to it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from migrator.step import Documentation, Step
from steps.analyze_tables import AnalyzeTables
from steps.build_index import BuildIndex
from steps.choose_rescue import ChooseRescue
from steps.convert_table import ConvertTable
from steps.create_extension_vchord import CreateExtensionVchord
from steps.create_extension_vector import CreateExtensionVector
from steps.detach_table import DetachTable
from steps.drop_extension_vectors import DropExtensionVectors
from steps.drop_schema_vectors import DropSchemaVectors
from steps.exchange_libraries import ExchangeLibraries
from steps.extensions_in_public import ExtensionsInPublic
from steps.hash_embeddings import HashEmbeddings
from steps.immich_reindexes import ImmichReindexes
from steps.install_pgvector import InstallPgvector
from steps.install_vectorchord import InstallVectorchord
from steps.keep_immich_out import KeepImmichOut
from steps.let_immich_in import LetImmichIn
from steps.note_dimension import NoteDimension
from steps.pgvectors_installed import PgvectorsInstalled
from steps.preload_both_libraries import PreloadBothLibraries
from steps.preload_vectorchord_only import PreloadVectorchordOnly
from steps.preload_without_pgvectors import PreloadWithoutPgvectors
from steps.prove_embeddings import ProveEmbeddings
from steps.record_catalogs import RecordCatalogs
from steps.record_embeddings import RecordEmbeddings
from steps.rescue_embeddings import RescueEmbeddings
from steps.rescue_possible import RescuePossible
from steps.restart_for_vectorchord import RestartForVectorchord
from steps.restart_without_pgvectors import RestartWithoutPgvectors
from steps.restore_indexes import RestoreIndexes
from steps.restore_table import RestoreTable
from steps.server_fits import ServerFits
from steps.shared.names import FACE_SEARCH, SMART_SEARCH
from steps.shared.options import Options
from steps.shared.state import Finished, both_converted, everything_in_vectorchord
from steps.shared.update_state import is_finished
from steps.uninstall_pgvectors import UninstallPgvectors
from steps.unset_vector_extension import UnsetVectorExtension
from steps.update_extensions import UpdateExtensions
from steps.update_fence import KeepImmichOutOfUpdate
from steps.update_indexes import RebuildIndexes
from steps.update_library import NewLibraryInstalled
from steps.update_pgvector import UpdatePgvector
from steps.update_restart import RestartForUpdate
from steps.update_search import SearchEveryIndex


def _section(name: str) -> tuple[Callable[[int], Documentation], Callable[[int], Documentation]]:
    return partial(Documentation, name), partial(Documentation, name, added=True)


def automatic(options: Options) -> tuple[Step, ...]:
    """Return the path for both libraries installed side by side: twelve steps, the seventh in parts."""
    step, added = _section("Migrating from pgvecto.rs: automatic migration")
    return (
        ServerFits(options).carries_out(added(1)),
        PgvectorsInstalled(options).carries_out(step(1)),
        InstallPgvector(options).carries_out(step(2)),
        UpdatePgvector().carries_out(added(2)),
        InstallVectorchord(options).carries_out(step(3)),
        PreloadBothLibraries(options).carries_out(step(4)),
        RestartForVectorchord(options).carries_out(step(5)),
        ExtensionsInPublic().carries_out(added(6)),
        CreateExtensionVchord().carries_out(step(6)),
        *(
            (
                RecordEmbeddings(options).carries_out(added(7)),
                ImmichReindexes(options, converts=True).carries_out(step(7)),
                ProveEmbeddings().carries_out(added(7)),
                AnalyzeTables().carries_out(added(7)),
            )
            if options.reindex_by == "immich"
            else (
                KeepImmichOut(options).carries_out(added(7)),
                RecordEmbeddings(options).carries_out(added(7)),
                ConvertTable(SMART_SEARCH, options).carries_out(step(7)),
                ConvertTable(FACE_SEARCH, options).carries_out(step(7)),
                *(ConvertTable(other, options).carries_out(added(7)) for other in options.include),
                BuildIndex(SMART_SEARCH).carries_out(step(7)),
                BuildIndex(FACE_SEARCH).carries_out(step(7)),
                *(RestoreIndexes(other).carries_out(added(7)) for other in options.include),
                AnalyzeTables().carries_out(step(7)),
                LetImmichIn().carries_out(added(7)),
            )
        ),
        DropExtensionVectors(options).carries_out(step(8)),
        DropSchemaVectors().carries_out(step(9)),
        PreloadVectorchordOnly(options).carries_out(step(10)),
        RestartWithoutPgvectors(options).carries_out(step(11)),
        UninstallPgvectors(options).carries_out(step(12)),
    )


def manual(options: Options) -> tuple[Step, ...]:
    """Return the path for libraries that cannot be installed together: the embeddings wait as real[] in between."""
    step, added = _section("Migrating from pgvecto.rs: manual migration")
    # an Immich that is to build the indexes itself is let in as soon as it can no longer mistake the columns
    finished = both_converted if options.reindex_by == "immich" else everything_in_vectorchord
    return (
        ServerFits(options).carries_out(added(1)),
        PgvectorsInstalled(options).carries_out(step(1)),
        NoteDimension().carries_out(step(1)),
        KeepImmichOut(options, finished).carries_out(added(2)),
        RecordEmbeddings(options).carries_out(added(2)),
        DetachTable(SMART_SEARCH, options).carries_out(step(2)),
        DetachTable(FACE_SEARCH, options).carries_out(step(2)),
        *(DetachTable(other, options).carries_out(added(2)) for other in options.include),
        ExtensionsInPublic().carries_out(added(3)),
        DropExtensionVectors(options).carries_out(added(3)),
        DropSchemaVectors().carries_out(added(3)),
        PreloadWithoutPgvectors(options).carries_out(added(3)),
        ExchangeLibraries(options).carries_out(step(3)),
        InstallPgvector(options).carries_out(step(3)),
        UpdatePgvector().carries_out(added(3)),
        PreloadVectorchordOnly(options, brings_vectorchord=True).carries_out(step(3)),
        RestartForVectorchord(options).carries_out(step(3)),
        CreateExtensionVchord().carries_out(step(4)),
        RestoreTable(SMART_SEARCH, options).carries_out(step(4)),
        RestoreTable(FACE_SEARCH, options).carries_out(step(4)),
        *(RestoreTable(other, options).carries_out(added(4)) for other in options.include),
        *(
            (
                LetImmichIn(finished).carries_out(added(5)),
                ImmichReindexes(options).carries_out(step(5)),
                AnalyzeTables().carries_out(added(5)),
            )
            if options.reindex_by == "immich"
            else (
                BuildIndex(SMART_SEARCH).carries_out(step(5)),
                BuildIndex(FACE_SEARCH).carries_out(step(5)),
                *(RestoreIndexes(other).carries_out(added(5)) for other in options.include),
                AnalyzeTables().carries_out(step(5)),
                LetImmichIn(finished).carries_out(added(5)),
            )
        ),
    )


def rescue(options: Options) -> tuple[Step, ...]:
    """Return the path for a library that is gone: everything up to VectorChord's indexes without pgvecto.rs."""
    _, added = _section("Rescue without pgvecto.rs's library")
    finished = both_converted if options.reindex_by == "immich" else everything_in_vectorchord
    return (
        ServerFits(options).carries_out(added(1)),
        ChooseRescue(options).carries_out(added(1)),
        RescuePossible(options).carries_out(added(1)),
        PreloadWithoutPgvectors(options).carries_out(added(2)),
        RestartWithoutPgvectors(options).carries_out(added(2)),
        InstallPgvector(options).carries_out(added(3)),
        UpdatePgvector().carries_out(added(3)),
        ExtensionsInPublic().carries_out(added(3)),
        CreateExtensionVector().carries_out(added(3)),
        KeepImmichOut(options, finished).carries_out(added(4)),
        RecordCatalogs(options).carries_out(added(4)),
        RescueEmbeddings(options).carries_out(added(4)),
        InstallVectorchord(options).carries_out(added(5)),
        PreloadVectorchordOnly(options, brings_vectorchord=True).carries_out(added(5)),
        RestartForVectorchord(options).carries_out(added(5)),
        CreateExtensionVchord().carries_out(added(6)),
        *(
            (
                LetImmichIn(finished).carries_out(added(7)),
                ImmichReindexes(options).carries_out(added(7)),
                AnalyzeTables().carries_out(added(7)),
            )
            if options.reindex_by == "immich"
            else (
                BuildIndex(SMART_SEARCH).carries_out(added(7)),
                BuildIndex(FACE_SEARCH).carries_out(added(7)),
                *(RestoreIndexes(other).carries_out(added(7)) for other in options.include),
                AnalyzeTables().carries_out(added(7)),
                LetImmichIn(finished).carries_out(added(7)),
            )
        ),
        UninstallPgvectors(options).carries_out(added(8)),
    )


def pgvector(options: Options) -> tuple[Step, ...]:
    """Return the path from pgvector: the data stays where it is, the indexes are replaced."""
    step, added = _section("Migrating from pgvector")
    return (
        ServerFits(options).carries_out(added(1)),
        InstallPgvector(options).carries_out(step(1)),
        UpdatePgvector().carries_out(step(1)),
        InstallVectorchord(options).carries_out(step(2)),
        PreloadVectorchordOnly(options, brings_vectorchord=True).carries_out(step(2)),
        RestartForVectorchord(options).carries_out(step(2)),
        ExtensionsInPublic().carries_out(added(3)),
        CreateExtensionVchord().carries_out(step(3)),
        UnsetVectorExtension(options).carries_out(step(4)),
        *(
            (
                HashEmbeddings(options).carries_out(added(5)),
                ImmichReindexes(options).carries_out(step(5)),
                ProveEmbeddings().carries_out(added(5)),
                AnalyzeTables().carries_out(added(5)),
            )
            if options.reindex_by == "immich"
            else (
                KeepImmichOut(options).carries_out(added(5)),
                HashEmbeddings(options).carries_out(added(5)),
                BuildIndex(SMART_SEARCH, proves=True).carries_out(step(5)),
                BuildIndex(FACE_SEARCH, proves=True).carries_out(step(5)),
                ProveEmbeddings().carries_out(added(5)),
                AnalyzeTables().carries_out(step(5)),
                LetImmichIn().carries_out(added(5)),
            )
        ),
    )


def fence(options: Options, finished: Finished) -> tuple[Step, Step]:
    """Return what stands before and behind a way back: Immich is kept out until everything is taken back."""
    return KeepImmichOut(options, finished), LetImmichIn(finished)


AUTOMATIC_GROUPS = {
    1: "pgvecto.rs is still installed",
    2: "pgvector 0.7 or newer",
    6: "create extension vchord",
    7: "convert and index",
}
MANUAL_GROUPS = {
    1: "note the dimension",
    2: "take the embeddings out of pgvecto.rs",
    3: "exchange the libraries",
    4: "restore the column types",
    5: "build the indexes",
}
RESCUE_GROUPS = {
    1: "choose the way out",
    2: "PostgreSQL without vectors.so",
    3: "extension vector (pgvector)",
    4: "rescue the embeddings",
    5: "install and load VectorChord",
    7: "build the indexes",
}
PGVECTOR_GROUPS = {
    1: "pgvector 0.7 or newer",
    2: "install VectorChord",
    3: "create extension vchord",
    5: "replace the indexes",
}
"""Titles of documented steps that consist of several states."""


def update(options: Options) -> tuple[Step, ...]:
    """Return the path to a newer VectorChord: one documented statement, and what it takes to be searched again."""
    step, added = _section("Updating VectorChord")
    return (
        NewLibraryInstalled(options).carries_out(step(1)),
        RestartForUpdate(options).carries_out(added(2)),
        KeepImmichOutOfUpdate(options).carries_out(added(3)),
        UpdateExtensions(options).carries_out(step(4)),
        RebuildIndexes().carries_out(added(5)),
        SearchEveryIndex().carries_out(added(6)),
        LetImmichIn(is_finished).carries_out(added(7)),
    )
