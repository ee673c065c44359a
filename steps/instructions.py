"""What an operator is told to do, with this server's own names and numbers."""

from __future__ import annotations

from migrator.catalog import Catalog
from steps.names import PGVECTORS
from steps.versions import Accepted, written


def _major(catalog: Catalog) -> int:
    return catalog.server.version_num // 10000


def install_pgvector(catalog: Catalog) -> tuple[str, ...]:
    """Return how to install pgvector."""
    return (
        f"Debian, Ubuntu (PostgreSQL's own package archive): sudo apt install postgresql-{_major(catalog)}-pgvector",
        "Immich's database images carry it already",
    )


def install_vectorchord(catalog: Catalog, row: Accepted) -> tuple[str, ...]:
    """Return how to install VectorChord beside pgvecto.rs."""
    major, pgvectors = _major(catalog), catalog.extensions[PGVECTORS]
    old = pgvectors.version or pgvectors.offered or "0.2.0"
    newest = "0.3.0" if "0.3.1" not in row.vchord or "0.4.3" not in row.vchord else "0.4.3"
    return (
        f"Docker, same data directory: ghcr.io/immich-app/postgres:{major}-vectorchord{newest}-pgvectors{old}",
        f"Debian, Ubuntu: sudo apt install ./postgresql-{major}-vchord_{newest}-1_amd64.deb",
        f"(from VectorChord's release page; any version {written(row.vchord)} will do)",
    )


def restart(catalog: Catalog) -> tuple[str, ...]:
    """Return how to restart the server."""
    return (
        f"Debian, Ubuntu: sudo systemctl restart postgresql@{_major(catalog)}-main",
        "Docker: docker compose restart database",
        "or let me do it: add --restart-command 'COMMAND'",
    )


def uninstall_pgvectors(catalog: Catalog) -> tuple[str, ...]:
    """Return how to uninstall pgvecto.rs."""
    major = _major(catalog)
    return (
        f"Debian, Ubuntu: sudo apt-get purge vectors-pg{major}",
        f"Docker, an image without pgvecto.rs: ghcr.io/immich-app/postgres:{major}-vectorchord0.3.0",
        "keep pgvector: it provides the data types",
    )


def exchange_libraries(catalog: Catalog, row: Accepted) -> tuple[str, ...]:
    """Return how to remove pgvecto.rs and install VectorChord in its place."""
    major = _major(catalog)
    return (
        f"Docker, same data directory: ghcr.io/immich-app/postgres:{major}-vectorchord0.3.0",
        f"Debian, Ubuntu: sudo apt-get purge vectors-pg{major}",
        f"then: sudo apt install ./postgresql-{major}-vchord_0.3.0-1_amd64.deb (any version {written(row.vchord)})",
        "Immich stays stopped until its columns are restored",
    )
