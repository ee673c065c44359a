"""Where a server runs is guessed from what it shows, and said to be unsure where it does not show enough."""

import pytest
from shown import ALPINE, DEBIAN, PLAIN, RED_HAT, UBUNTU, Shown

from steps.advice.environment import Environment, environments, guess

DOCKER_CONF = {"config_file": "/var/lib/postgresql/data/postgresql.conf"}

SURE = {
    "Debian's name of a cluster": (Shown(settings={"cluster_name": "16/main"}), Environment.DEBIAN),
    "Debian's folder": (Shown(settings={"config_file": "/etc/postgresql/16/main/postgresql.conf"}), Environment.DEBIAN),
    "Ubuntu's build": (Shown(description=UBUNTU), Environment.DEBIAN),
    "the official image": (Shown(settings=DOCKER_CONF), Environment.DOCKER),
    "the image of PostgreSQL 18": (
        Shown(settings={"config_file": "/var/lib/postgresql/18/docker/postgresql.conf"}, major=18),
        Environment.DOCKER,
    ),
    "Immich's image": (Shown(settings={"config_file": "/etc/postgresql/postgresql.conf"}), Environment.DOCKER),
    "an Alpine build": (Shown(description=ALPINE), Environment.DOCKER),
    "an address of Docker's": (Shown(address="172.18.0.3"), Environment.DOCKER),
    "the operator's archiver": (Shown(archiver="/controller/"), Environment.CLOUDNATIVEPG),
    "the operator's certificate": (
        Shown(settings={"ssl_cert_file": "/controller/certificates/server.crt", **DOCKER_CONF}),
        Environment.CLOUDNATIVEPG,
    ),
    "the Nix store": (
        Shown(
            description=PLAIN,
            settings={
                "config_file": "/var/lib/postgresql/16/postgresql.conf",
                "hba_file": "/nix/store/0c0a-pg_hba.conf",
            },
        ),
        Environment.NIXOS,
    ),
    "a Red Hat build": (Shown(description=RED_HAT), Environment.OTHER),
}


@pytest.mark.parametrize(("shown", "expected"), SURE.values(), ids=SURE.keys())
def test_what_a_server_shows_names_its_place(shown: Shown, expected: Environment) -> None:
    """One sign is enough, and the sentence says which one it was."""
    found = guess(shown.catalog())
    assert found.environments == (expected,)
    assert found.sure
    assert found.because


@pytest.mark.parametrize("description", [DEBIAN, PLAIN])
def test_a_plain_role_is_told_of_the_two_most_likely(description: str) -> None:
    """Nothing but the build to go by: both the image and the packages of Debian look like that."""
    found = guess(Shown(description=description, preload=None, lines=None, superuser=False).catalog())
    assert found.environments == (Environment.DOCKER, Environment.DEBIAN)
    assert not found.sure


def test_an_address_in_another_network_proves_nothing() -> None:
    """A server in a home network is no container."""
    assert not guess(Shown(address="192.168.1.20").catalog()).sure


@pytest.mark.parametrize("given", list(Environment))
def test_what_a_person_says_counts(given: Environment) -> None:
    """`--environment` overrides every sign."""
    assert environments(Shown(settings=DOCKER_CONF).catalog(), given) == (given,)
