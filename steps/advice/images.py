"""The container images that exist, and which of them fits: only tags that were seen are ever named.

A data directory moves between images of one PostgreSQL major only, and the embeddings can be read only by the release
of pgvecto.rs that the catalog names.
"""

from __future__ import annotations

from packaging.specifiers import SpecifierSet

from steps.shared.versions import accepts

IMMICH = "ghcr.io/immich-app/postgres"
NEWEST_FIRST = ("0.4.3", "0.4.2", "0.4.1", "0.3.0")
"""The VectorChord releases that Immich's images carry beside pgvecto.rs; none newer, and none for PostgreSQL 18."""
BESIDE = {
    14: ("0.2.0", "0.2.1", "0.3.0"),
    15: ("0.2.0", "0.2.1", "0.3.0"),
    16: ("0.2.0", "0.2.1", "0.3.0"),
    17: ("0.3.0",),
}
"""The pgvecto.rs releases beside them, by PostgreSQL major."""

ALONE = {
    (14, "0.3.0"): f"{IMMICH}:14-vectorchord0.3.0",
    (14, "0.4.3"): f"{IMMICH}:14-vectorchord0.4.3",
    (14, "1.1.1"): f"{IMMICH}:14-vectorchord1.1.1",
    (15, "1.1.1"): f"{IMMICH}:15-vectorchord1.1.1",
    (16, "0.5.3"): f"{IMMICH}:16-vectorchord0.5.3-pgvector0.8.1",
    (16, "1.1.0"): "tensorchord/vchord-postgres:pg16-v1.1.0",
    (16, "1.1.1"): f"{IMMICH}:16-vectorchord1.1.1",
    (17, "0.3.0"): "ghcr.io/tensorchord/vchord-postgres:pg17-v0.3.0",
    (17, "0.4.3"): "tensorchord/vchord-postgres:pg17-v0.4.3",
    (17, "1.1.1"): f"{IMMICH}:17-vectorchord1.1.1",
    (18, "1.1.1"): f"{IMMICH}:18-vectorchord1.1.1",
}
"""Images with VectorChord and without pgvecto.rs, by PostgreSQL major and VectorChord release; oldest release first."""

OPERATORS = {
    (16, "0.3.0"): "ghcr.io/tensorchord/cloudnative-vectorchord:16-0.3.0",
    (16, "0.4.3"): "ghcr.io/tensorchord/cloudnative-vectorchord:16.9-0.4.3",
    (16, "1.1.1"): "ghcr.io/tensorchord/cloudnative-vectorchord:16-1.1.1",
}
"""The same for CloudNativePG; no published image of its kind carries both libraries."""

OLD = {
    (14, "0.2.0"): "tensorchord/pgvecto-rs:pg14-v0.2.0",
    (15, "0.2.0"): "tensorchord/pgvecto-rs:pg15-v0.2.0",
    (16, "0.2.0"): "tensorchord/pgvecto-rs:pg16-v0.2.0",
    (16, "0.2.1"): "tensorchord/pgvecto-rs:pg16-v0.2.1",
}
"""Images with pgvecto.rs alone."""


def newest(major: int, accepted: SpecifierSet, pgvectors: str | None = None) -> str:
    """Return the newest VectorChord release that is accepted and that an image carries; 0.3.0 where none does.

    With `pgvectors` only the releases count that exist beside pgvecto.rs, otherwise those that stand alone come first.
    """
    alone = [] if pgvectors is not None else [release for m, release in ALONE if m == major]
    found = [release for release in (*reversed(alone), *NEWEST_FIRST) if accepts(accepted, release)]
    return found[0] if found else "0.3.0"


def with_both(major: int, vchord: str, pgvectors: str) -> str | None:
    """Return the image with both libraries, or None where there is none."""
    exists = vchord in NEWEST_FIRST and pgvectors in BESIDE.get(major, ())
    return f"{IMMICH}:{major}-vectorchord{vchord}-pgvectors{pgvectors}" if exists else None


def with_vectorchord(major: int, vchord: str, *, operator: bool = False) -> str | None:
    """Return the image with VectorChord and without pgvecto.rs, for CloudNativePG's `operator` or not, or None."""
    return (OPERATORS if operator else ALONE).get((major, vchord))


def with_pgvectors(major: int, pgvectors: str) -> str | None:
    """Return an image that can read the old columns, preferably one that can also take the next step."""
    return with_both(major, "0.3.0", pgvectors) or OLD.get((major, pgvectors))
