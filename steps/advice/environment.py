"""Where the server runs, as far as it shows: that decides what an operator is told to type.

A guess from what any role may see, better with what only a superuser sees. Where two are about as likely, both are
named, and `--environment` decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address, ip_network

from psycopg.sql import SQL

from migrator.catalog import Catalog, Observation


class Environment(StrEnum):
    """The kinds of places that there are instructions for; the values are those of `--environment`."""

    DEBIAN = "debian"
    DOCKER = "docker"
    CLOUDNATIVEPG = "cloudnativepg"
    NIXOS = "nixos"
    OTHER = "other"


NAMES = {
    Environment.DEBIAN: "Debian, Ubuntu",
    Environment.DOCKER: "Docker Compose",
    Environment.CLOUDNATIVEPG: "CloudNativePG",
    Environment.NIXOS: "NixOS",
    Environment.OTHER: "Any system",
}

SETTINGS = ("config_file", "data_directory", "hba_file", "cluster_name", "allow_alter_system", "ssl_cert_file")
"""What tells of the place; the first three only to a superuser or a member of pg_read_all_settings."""

OBSERVATION = Observation(
    name="place",
    # of the archive command only its beginning: the rest may carry keys
    sql=lambda _: SQL("SELECT host(inet_server_addr()), left(current_setting('archive_command', true), 12)"),
    when=lambda _: True,
)

OPERATORS_FOLDER = "/controller/"
NIX_STORE = "/nix/store/"
DOCKER_NETWORKS = ip_network("172.16.0.0/12")
DEBIAN_CLUSTER = re.compile(r"(\d+)/([\w.-]+)")
DEBIAN_FOLDER = re.compile(r"/etc/postgresql/(\d+)/([\w.-]+)/")
DOCKER_FILES = re.compile(
    r"/var/lib/postgresql/data/postgresql\.conf|/var/lib/postgresql/\d+/docker/|/etc/postgresql/postgresql\.conf"
    r"|/(opt/)?bitnami/"
)
ELSEWHERE = ("Red Hat", "-darwin", "-apple", "Visual C++", "mingw", "freebsd", "SUSE")


@dataclass(frozen=True, slots=True)
class Guess:
    """One environment that is sure, or the two most likely ones, and what says so."""

    environments: tuple[Environment, ...]
    because: str

    @property
    def sure(self) -> bool:
        """Whether there is only one."""
        return len(self.environments) == 1


def guess(catalog: Catalog) -> Guess:
    """Return where the server seems to run."""
    for environment, because in (_by_settings(catalog), _by_description(catalog)):
        if environment is not None:
            return Guess((environment,), because)
    return Guess((Environment.DOCKER, Environment.DEBIAN), "the server does not show more to this role")


def _by_settings(catalog: Catalog) -> tuple[Environment | None, str]:
    _, archiver = _observed(catalog)
    files = [shown(catalog, name) for name in ("config_file", "data_directory", "hba_file")]
    if archiver.startswith(OPERATORS_FOLDER) or shown(catalog, "ssl_cert_file").startswith(OPERATORS_FOLDER):
        return Environment.CLOUDNATIVEPG, "its settings name the operator's folder /controller"
    if any(file.startswith(NIX_STORE) for file in files):
        return Environment.NIXOS, "its configuration is in the Nix store"
    if cluster := debian_cluster(catalog):
        return Environment.DEBIAN, f'the cluster is called "{"/".join(cluster)}", as Debian does'
    if docker := next((file for file in files if DOCKER_FILES.match(file)), None):
        return Environment.DOCKER, f"its file {docker} is where images keep it"
    return None, ""


def _by_description(catalog: Catalog) -> tuple[Environment | None, str]:
    description = catalog.server.description
    address, _ = _observed(catalog)
    if "-musl" in description:
        return Environment.DOCKER, "it is built for Alpine Linux"
    if "(Debian" in description and address and ip_address(address) in DOCKER_NETWORKS:
        return Environment.DOCKER, f"it answers at {address}, an address of Docker's networks"
    if "(Ubuntu" in description:
        return Environment.DEBIAN, "it is built for Ubuntu"
    if any(word in description for word in ELSEWHERE):
        return Environment.OTHER, "it is built for another system"
    return None, ""


def environments(catalog: Catalog, given: Environment | None = None) -> tuple[Environment, ...]:
    """Return the environment that was given, otherwise the guessed one or two."""
    return (given,) if given is not None else guess(catalog).environments


def is_in(catalog: Catalog, environment: Environment, given: Environment | None = None) -> bool:
    """Tell whether the server surely runs there."""
    return environments(catalog, given) == (environment,)


def debian_cluster(catalog: Catalog) -> tuple[str, str] | None:
    """Return version and name of a cluster that Debian's tools made: ("16", "main")."""
    found = DEBIAN_CLUSTER.fullmatch(shown(catalog, "cluster_name")) or DEBIAN_FOLDER.match(
        shown(catalog, "config_file")
    )
    return (found[1], found[2]) if found else None


def shown(catalog: Catalog, setting: str) -> str:
    """Return a setting's value, "" where the role may not see it or there is none."""
    found = catalog.settings.get(setting)
    return found.value if found else ""


def _observed(catalog: Catalog) -> tuple[str, str]:
    place = catalog.observed.get("place")
    if place is None or not place.rows:
        return "", ""
    address, archiver = place.rows[0]
    return address or "", archiver or ""
