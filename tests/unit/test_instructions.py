"""What an operator is told: complete commands with the server's own numbers, and only images that exist."""

import re
from collections.abc import Callable, Iterator
from itertools import product

import pytest
from shown import ARM, Shown

from migrator.catalog import Catalog
from migrator.cli.render.text import fix_lines
from steps.advice import images, instructions
from steps.advice.environment import NAMES, Environment
from steps.shared.versions import TABLE, Accepted, accepted_by

IMAGE = re.compile(r"[\w./-]+:(?:pg)?\d[\w.-]*-(?:vectorchord|v|[\d])[\w.-]*")
PUBLISHED = (
    {
        f"ghcr.io/immich-app/postgres:{major}-vectorchord{vchord}-pgvectors{old}"
        for major, vchord, old in product(
            (14, 15, 16, 17), ("0.3.0", "0.4.1", "0.4.2", "0.4.3"), ("0.2.0", "0.2.1", "0.3.0")
        )
        if major < 17 or old == "0.3.0"
    }
    | {f"ghcr.io/immich-app/postgres:{major}-vectorchord1.1.1" for major in range(14, 19)}
    | {
        "ghcr.io/immich-app/postgres:14-vectorchord0.3.0",
        "ghcr.io/immich-app/postgres:14-vectorchord0.4.3",
        "ghcr.io/immich-app/postgres:16-vectorchord0.5.3-pgvector0.8.1",
        "ghcr.io/tensorchord/vchord-postgres:pg17-v0.3.0",
        "tensorchord/vchord-postgres:pg17-v0.4.3",
        "tensorchord/vchord-postgres:pg16-v1.1.0",
        "tensorchord/pgvecto-rs:pg14-v0.2.0",
        "tensorchord/pgvecto-rs:pg15-v0.2.0",
        "tensorchord/pgvecto-rs:pg16-v0.2.0",
        "tensorchord/pgvecto-rs:pg16-v0.2.1",
        "ghcr.io/tensorchord/cloudnative-vectorchord:16-0.3.0",
        "ghcr.io/tensorchord/cloudnative-vectorchord:16.9-0.4.3",
        "ghcr.io/tensorchord/cloudnative-vectorchord:16-1.1.1",
    }
)
"""Every image that was seen to exist."""

Told = Callable[[Catalog, Accepted, Environment], tuple[str, ...]]
TASKS: dict[str, Told] = {
    "install pgvector": lambda catalog, _, place: instructions.install_pgvector(catalog, place),
    "install VectorChord": instructions.install_vectorchord,
    "exchange": instructions.exchange_libraries,
    "uninstall": lambda catalog, _, place: instructions.uninstall_pgvectors(catalog, place),
    "put back": lambda catalog, _, place: instructions.put_pgvectors_back(catalog, "0.2.0", place),
    "restart": lambda catalog, _, place: instructions.restart(catalog, place),
    "stop Immich": lambda catalog, _, place: instructions.stop_immich(catalog, place),
    "start Immich": lambda catalog, _, place: instructions.start_immich(catalog, place),
    "shared memory": lambda catalog, _, place: instructions.more_shared_memory(catalog, place),
}


def servers() -> Iterator[Shown]:
    """Return every combination of versions that a person may come with."""
    for major, old, new in product(
        range(14, 19), (None, "0.2.0", "0.2.1", "0.3.0", "0.4.0"), (None, "0.3.0", "0.4.3", "1.1.1")
    ):
        yield Shown(major=major, pgvectors=old, vchord=new)


def test_no_image_is_named_that_does_not_exist() -> None:
    """Over every task, place, Immich release and combination of versions: each tag is a published one."""
    named: set[str] = set()
    for shown, row, place, told in product(servers(), TABLE, Environment, TASKS.values()):
        named |= {found for line in told(shown.catalog(), row, place) for found in IMAGE.findall(line)}
    assert named <= PUBLISHED
    assert "ghcr.io/immich-app/postgres:16-vectorchord0.3.0-pgvectors0.2.0" in named, "the search finds nothing"


def test_the_table_of_images_holds_published_ones_only() -> None:
    """Nobody added a tag to the table that was not seen."""
    assert set(images.ALONE.values()) | set(images.OPERATORS.values()) | set(images.OLD.values()) <= PUBLISHED


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("place", list(Environment))
def test_every_task_has_instructions_for_every_place(task: str, place: Environment) -> None:
    """Nothing is left to be filled in, and the place is named."""
    lines = TASKS[task](Shown(settings={"cluster_name": "photos"}).catalog(), accepted_by("1.133.0"), place)
    assert lines[0].startswith(f"{NAMES[place]}: ")
    assert not [line for line in lines if "None" in line or "NN" in line or "CLUSTER" in line]


def test_debian_packages_fit_server_and_machine() -> None:
    """Major version, release and architecture are the server's own."""
    row = accepted_by("1.133.0")
    said = instructions.install_vectorchord(Shown(major=15, description=ARM).catalog(), row, Environment.DEBIAN)
    package = "postgresql-15-vchord_0.3.0-1_arm64.deb"
    address = f"https://github.com/tensorchord/VectorChord/releases/download/0.3.0/{package}"
    assert said[:2] == (f"Debian, Ubuntu: wget {address}", f"  sudo apt install ./{package}")


def test_a_debian_cluster_is_restarted_by_its_own_name() -> None:
    """Several clusters may run on one machine."""
    catalog = Shown(settings={"cluster_name": "16/photos"}).catalog()
    assert instructions.restart(catalog)[0] == "Debian, Ubuntu: sudo systemctl restart postgresql@16-photos"


@pytest.mark.parametrize(
    ("major", "old", "immich", "image"),
    [
        (14, "0.2.0", "1.133.0", "14-vectorchord0.3.0-pgvectors0.2.0"),
        (16, "0.3.0", "1.133.0", "16-vectorchord0.3.0-pgvectors0.3.0"),
        (15, "0.2.1", "1.135.0", "15-vectorchord0.4.3-pgvectors0.2.1"),
        (17, "0.3.0", "2.5.0", "17-vectorchord0.4.3-pgvectors0.3.0"),
        (14, None, "1.133.0", "14-vectorchord0.3.0"),
        (18, None, "2.5.0", "18-vectorchord1.1.1"),
    ],
)
def test_the_compose_image_fits_server_pgvectors_and_immich(
    major: int, old: str | None, immich: str, image: str
) -> None:
    """The same PostgreSQL major, exactly the pgvecto.rs of the catalog, and the newest VectorChord that is accepted."""
    said = instructions.install_vectorchord(
        Shown(major=major, pgvectors=old).catalog(), accepted_by(immich), Environment.DOCKER
    )
    assert said[:3] == (
        "Docker Compose: in the compose file, service database:",
        f"  image: ghcr.io/immich-app/postgres:{image}",
        "  shm_size: 128mb",
    )
    assert said[-1].strip() == "docker compose up -d database"


def test_an_image_that_would_need_a_rebuild_is_not_offered_for_the_uninstallation() -> None:
    """The image without pgvecto.rs has the very VectorChord that built the indexes, or none is named."""
    said = instructions.uninstall_pgvectors(Shown(major=16, vchord="0.3.0").catalog(), Environment.DOCKER)
    assert said[1:] == ("  PostgreSQL 16 with VectorChord 0.3.0", "  without pgvecto.rs")


def test_where_no_image_has_both_the_other_path_is_named() -> None:
    """PostgreSQL 17 with pgvecto.rs 0.2 has none, and CloudNativePG has none at all."""
    row = accepted_by("1.133.0")
    for shown, place in ((Shown(major=17), Environment.DOCKER), (Shown(), Environment.CLOUDNATIVEPG)):
        assert "--path manual" in " ".join(instructions.install_vectorchord(shown.catalog(), row, place))


def test_an_operators_cluster_is_called_by_its_name() -> None:
    """The commands are complete: the Cluster's name is what the server shows as its own."""
    catalog = Shown(settings={"cluster_name": "photos-db"}, archiver="/controller/").catalog()
    assert instructions.restart(catalog)[0] == "CloudNativePG: kubectl cnpg restart photos-db"


def test_an_unsure_guess_shows_both_and_how_to_say_which() -> None:
    """Two blocks under their names, then the flag with the other places."""
    said = instructions.uninstall_pgvectors(Shown().catalog())
    assert [line.partition(":")[0] for line in said if not line.startswith((" ", "("))] == [
        "Docker Compose",
        "Debian, Ubuntu",
    ]
    assert said[-1] == "(running otherwise? add --environment cloudnativepg, nixos or other)"


def test_only_addresses_are_wider_than_a_screen() -> None:
    """Of everything that may be said, nothing but a download or the name of an image runs over the 80th column."""
    wide = {
        line.strip()
        for shown, row, place, told in product(servers(), TABLE, Environment, TASKS.values())
        for said in told(shown.catalog(), row, place)
        for line in fix_lines(" " * 12, said)
        if len(line) > 80
    }
    assert {line for line in wide if not line.startswith(("wget ", "image: ", "spec.imageName: "))} == set()
