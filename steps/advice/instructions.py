"""What an operator is told to do, with this server's own names and numbers: one catalogue of texts per task.

Each function answers for the environment that was given, or for the one or two that the server seems to run in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migrator.catalog import Catalog
from steps.advice import images
from steps.advice.environment import NAMES, Environment, debian_cluster, environments, shown
from steps.shared.names import PGVECTORS, VCHORD
from steps.shared.versions import Accepted, accepts, written

DATABASE, IMMICH = "database", "immich-server"
"""The services of Immich's own compose file."""
RELEASES = "https://github.com/tensorchord/VectorChord/releases/download"
OLD_RELEASES = "https://github.com/tensorchord/pgvecto.rs/releases/download"
COMPOSE_FILE = f"in the compose file, service {DATABASE}:"
NIX_FILE = "in configuration.nix:"
UP = f"docker compose up -d {DATABASE}"
REBUILD = "sudo nixos-rebuild switch"

Texts = Mapping[Environment, Sequence[str]]


def install_pgvector(catalog: Catalog, environment: Environment | None = None) -> tuple[str, ...]:
    """Return how to install pgvector, or a newer one."""
    major = _major(catalog)
    return _choose(
        catalog,
        environment,
        {
            Environment.DEBIAN: (
                f"sudo apt install postgresql-{major}-pgvector",
                "(from PostgreSQL's own package archive: https://apt.postgresql.org)",
            ),
            Environment.DOCKER: ("the image of the next step, with VectorChord, carries it already",),
            Environment.CLOUDNATIVEPG: ("the image of the next step, with VectorChord, carries it already",),
            Environment.NIXOS: _nix(["ps.pgvector", *_old_nix(catalog)]),
            Environment.OTHER: (
                f"install pgvector for PostgreSQL {major}",
                "keep the library of pgvecto.rs where it is",
            ),
        },
    )


def install_vectorchord(catalog: Catalog, row: Accepted, environment: Environment | None = None) -> tuple[str, ...]:
    """Return how to install VectorChord, beside pgvecto.rs as long as that is there."""
    return _choose(catalog, environment, _vectorchord(catalog, row, _old(catalog)))


def exchange_libraries(catalog: Catalog, row: Accepted, environment: Environment | None = None) -> tuple[str, ...]:
    """Return how to remove pgvecto.rs and install VectorChord in one go, with the same data directory."""
    major = _major(catalog)
    install = _vectorchord(catalog, row, None)
    return _choose(
        catalog,
        environment,
        {
            **install,
            Environment.DEBIAN: (*install[Environment.DEBIAN], f"sudo apt-get purge vectors-pg{major}"),
            Environment.OTHER: (*install[Environment.OTHER], "remove the library of pgvecto.rs"),
        },
    )


def uninstall_pgvectors(catalog: Catalog, environment: Environment | None = None) -> tuple[str, ...]:
    """Return how to uninstall pgvecto.rs; pgvector stays, it provides the data types."""
    major, vchord = _major(catalog), _vchord(catalog) or "0.3.0"
    keep = "keep pgvector: it provides the data types"
    return _choose(
        catalog,
        environment,
        {
            Environment.DEBIAN: (f"sudo apt-get purge vectors-pg{major}", keep),
            Environment.DOCKER: _image(catalog, vchord, None),
            Environment.CLOUDNATIVEPG: _operators_image(catalog, vchord, None),
            Environment.NIXOS: (
                NIX_FILE,
                "services.immich.database.enableVectors = false;",
                "(without Immich's module, take ps.pgvecto-rs out of",
                "services.postgresql.extensions)",
                REBUILD,
            ),
            Environment.OTHER: ("remove the library and the control file of pgvecto.rs", keep),
        },
    )


def put_pgvectors_back(catalog: Catalog, release: str, environment: Environment | None = None) -> tuple[str, ...]:
    """Return how to get the library back that the old columns need; the data is intact."""
    major = _major(catalog)
    suffix = "_vectors" if release == "0.3.0" else ""
    package = f"vectors-pg{major}_{release}_{_architecture(catalog)}{suffix}.deb"
    image = images.with_pgvectors(major, release)
    return _choose(
        catalog,
        environment,
        {
            Environment.DEBIAN: (
                f"wget {OLD_RELEASES}/v{release}/{package}",
                f"sudo apt install ./{package}",
            ),
            Environment.DOCKER: (
                *((COMPOSE_FILE, f"image: {image}") if image else _no_image(catalog, None, release)),
                UP,
            ),
            Environment.CLOUDNATIVEPG: (
                f"kubectl edit cluster {cluster_of(catalog)}",
                f"spec.imageName: the image before, with pgvecto.rs {release}",
            ),
            Environment.NIXOS: (NIX_FILE, "services.immich.database.enableVectors = true;", REBUILD),
            Environment.OTHER: (f"install pgvecto.rs {release} for PostgreSQL {major} again",),
        },
    )


def restart(catalog: Catalog, environment: Environment | None = None) -> tuple[str, ...]:
    """Return how to restart the server; the tool can do it itself where it is given a command."""
    version, name = debian_cluster(catalog) or (str(_major(catalog)), "main")
    lines = _choose(
        catalog,
        environment,
        {
            Environment.DEBIAN: (f"sudo systemctl restart postgresql@{version}-{name}",),
            Environment.DOCKER: (f"docker compose restart {DATABASE}",),
            Environment.CLOUDNATIVEPG: (f"kubectl cnpg restart {cluster_of(catalog)}",),
            Environment.NIXOS: ("sudo systemctl restart postgresql",),
            Environment.OTHER: ("restart PostgreSQL; a reload is not enough",),
        },
    )
    return (*lines, "or let me do it: add --restart-command 'COMMAND'")


def stop_immich(catalog: Catalog, environment: Environment | None = None) -> tuple[str, ...]:
    """Return how to stop Immich, which may run elsewhere than its database."""
    return _choose(catalog, environment, _immich("stop", 0))


def start_immich(catalog: Catalog, environment: Environment | None = None) -> tuple[str, ...]:
    """Return how to start Immich."""
    return _choose(catalog, environment, _immich("start", 1))


def more_shared_memory(catalog: Catalog, environment: Environment | None = None) -> tuple[str, ...]:
    """Return how to give a container room for parallel workers."""
    local = ("enlarge /dev/shm, or build with one process:", "max_parallel_maintenance_workers = 0")
    return _choose(
        catalog,
        environment,
        {
            Environment.DEBIAN: local,
            Environment.DOCKER: (
                COMPOSE_FILE,
                "shm_size: 128mb",
                "(an environment variable of that name has no effect)",
                UP,
            ),
            Environment.CLOUDNATIVEPG: (
                f"kubectl edit cluster {cluster_of(catalog)}",
                "spec.ephemeralVolumesSizeLimit.shm: 128Mi",
            ),
            Environment.NIXOS: local,
            Environment.OTHER: local,
        },
    )


def cluster_of(catalog: Catalog) -> str:
    """Return the name of CloudNativePG's Cluster, a placeholder where the server does not show it."""
    return shown(catalog, "cluster_name") or "CLUSTER"


def _vectorchord(catalog: Catalog, row: Accepted, old: str | None) -> Texts:
    major = _major(catalog)
    created = catalog.extensions[VCHORD].version
    release = created if created and accepts(row.vchord, created) else images.newest(major, row.vchord, old)
    package = f"postgresql-{major}-vchord_{release}-1_{_architecture(catalog)}.deb"
    any_will_do = f"(any release {written(row.vchord)} will do)"
    return {
        Environment.DEBIAN: (
            f"wget {RELEASES}/{release}/{package}",
            f"sudo apt install ./{package}",
            any_will_do,
        ),
        Environment.DOCKER: _image(catalog, release, old),
        Environment.CLOUDNATIVEPG: _operators_image(catalog, release, old),
        Environment.NIXOS: _nix(["ps.pgvector", "ps.vectorchord", *(_old_nix(catalog) if old else [])]),
        Environment.OTHER: (
            f"install VectorChord {release} for PostgreSQL {major}",
            RELEASES.removesuffix("/download"),
            any_will_do,
        ),
    }


def _image(catalog: Catalog, vchord: str, pgvectors: str | None) -> tuple[str, ...]:
    major = _major(catalog)
    image = images.with_both(major, vchord, pgvectors) if pgvectors else images.with_vectorchord(major, vchord)
    if image is None:
        return _no_image(catalog, vchord, pgvectors)
    preload = catalog.settings.get("shared_preload_libraries")
    command = ("(no `command:` with shared_preload_libraries: it would win)",)
    return (
        COMPOSE_FILE,
        f"image: {image}",
        "shm_size: 128mb",
        "(the volume with the data stays as it is)",
        *(command if preload is None or preload.source == "command line" else ()),
        UP,
    )


def _no_image(catalog: Catalog, vchord: str | None, pgvectors: str | None) -> tuple[str, ...]:
    parts = [*([f"VectorChord {vchord}"] if vchord else []), *([f"pgvecto.rs {pgvectors}"] if pgvectors else [])]
    wanted = f"PostgreSQL {_major(catalog)} with {' and '.join(parts)}"
    if vchord and pgvectors:
        return ("no known image carries both; it would have to be", wanted, "or take the way without: --path manual")
    return (
        "take an image of this kind (none is known by name):",
        wanted,
        *(() if pgvectors else ("without pgvecto.rs",)),
    )


def _operators_image(catalog: Catalog, vchord: str, pgvectors: str | None) -> tuple[str, ...]:
    edit = f"kubectl edit cluster {cluster_of(catalog)}"
    image = None if pgvectors else images.with_vectorchord(_major(catalog), vchord, operator=True)
    if image is None:
        return (*_no_image(catalog, vchord, pgvectors), edit, "spec.imageName: that image")
    return (edit, f"spec.imageName: {image}", "(the operator restarts the server by itself)")


def _nix(packages: Sequence[str]) -> tuple[str, ...]:
    return (
        NIX_FILE,
        f"services.postgresql.extensions = ps: [ {' '.join(packages)} ];",
        "(with Immich's module, instead:",
        "services.immich.database.enableVectorChord = true;)",
        REBUILD,
    )


def _old_nix(catalog: Catalog) -> list[str]:
    return ["ps.pgvecto-rs"] if _old(catalog) else []


def _immich(verb: str, replicas: int) -> Texts:
    compose = f"docker compose {'stop' if verb == 'stop' else 'up -d'} {IMMICH}"
    scale = f"kubectl scale deployment {IMMICH} --replicas={replicas}"
    unit = f"sudo systemctl {verb} {IMMICH}"
    return {
        Environment.DEBIAN: (compose, f"(or, where it is a service of the system: {unit})"),
        Environment.DOCKER: (compose,),
        Environment.CLOUDNATIVEPG: (scale,),
        Environment.NIXOS: (unit,),
        Environment.OTHER: (f"{verb} Immich: {compose}",),
    }


def _choose(catalog: Catalog, given: Environment | None, texts: Texts) -> tuple[str, ...]:
    """Return the lines for the environment, under its name; for two where it is not sure."""
    chosen = environments(catalog, given)
    lines: list[str] = []
    said: Sequence[str] = ()
    for environment in chosen:
        if texts[environment] == said:
            continue
        said = texts[environment]
        lines += [f"{NAMES[environment]}: {said[0]}", *(f"  {line}" for line in said[1:])]
    if len(chosen) > 1:
        others = [e.value for e in Environment if e not in chosen]
        lines.append(f"(running otherwise? add --environment {', '.join(others[:-1])} or {others[-1]})")
    return tuple(lines)


def _major(catalog: Catalog) -> int:
    return catalog.server.version_num // 10000


def _architecture(catalog: Catalog) -> str:
    return "arm64" if "aarch64" in catalog.server.description else "amd64"


def _old(catalog: Catalog) -> str | None:
    pgvectors = catalog.extensions[PGVECTORS]
    return pgvectors.version or pgvectors.offered


def _vchord(catalog: Catalog) -> str | None:
    vchord = catalog.extensions[VCHORD]
    return vchord.version or vchord.offered
