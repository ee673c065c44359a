"""The paths: each list, read from top to bottom, is the documented procedure."""

from __future__ import annotations

from migrator.step import Step
from steps.analyze_tables import AnalyzeTables
from steps.build_index import BuildIndex
from steps.convert_table import ConvertTable
from steps.create_extension_vchord import CreateExtensionVchord
from steps.drop_extension_vectors import DropExtensionVectors
from steps.drop_schema_vectors import DropSchemaVectors
from steps.immich_reindexes import ImmichReindexes
from steps.install_pgvector import InstallPgvector
from steps.install_vectorchord import InstallVectorchord
from steps.keep_immich_out import KeepImmichOut
from steps.let_immich_in import LetImmichIn
from steps.names import FACE_SEARCH, SMART_SEARCH
from steps.options import Options
from steps.pgvectors_installed import PgvectorsInstalled
from steps.preload_both_libraries import PreloadBothLibraries
from steps.preload_vectorchord_only import PreloadVectorchordOnly
from steps.prove_embeddings import ProveEmbeddings
from steps.record_embeddings import RecordEmbeddings
from steps.restart_for_vectorchord import RestartForVectorchord
from steps.restart_without_pgvectors import RestartWithoutPgvectors
from steps.uninstall_pgvectors import UninstallPgvectors

AUTOMATIC_GROUPS = {7: "convert and index"}
"""Titles of documented steps that consist of several states."""


def automatic(options: Options) -> tuple[Step, ...]:
    """Return the documented path for both libraries installed side by side: twelve steps, the seventh in parts."""
    return (
        PgvectorsInstalled(options),  # 1
        InstallPgvector(options),  # 2
        InstallVectorchord(options),  # 3
        PreloadBothLibraries(options),  # 4
        RestartForVectorchord(),  # 5
        CreateExtensionVchord(),  # 6
        *(_by_immich(options) if options.reindex_by == "immich" else _by_tool(options)),  # 7
        DropExtensionVectors(),  # 8
        DropSchemaVectors(),  # 9
        PreloadVectorchordOnly(options),  # 10
        RestartWithoutPgvectors(),  # 11
        UninstallPgvectors(),  # 12
    )


def _by_tool(options: Options) -> tuple[Step, ...]:
    return (
        KeepImmichOut(),
        RecordEmbeddings(options),
        ConvertTable(SMART_SEARCH, options),
        ConvertTable(FACE_SEARCH, options),
        BuildIndex(SMART_SEARCH),
        BuildIndex(FACE_SEARCH),
        AnalyzeTables(),
        LetImmichIn(),
    )


def _by_immich(options: Options) -> tuple[Step, ...]:
    return (
        RecordEmbeddings(options),
        ImmichReindexes(),
        ProveEmbeddings(),
        AnalyzeTables(),
    )
