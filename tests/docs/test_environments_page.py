"""The page about environments names what the program knows, and nothing else."""

import re

import pages

from steps.advice import images
from steps.advice.environment import Environment

PAGE = pages.page("environments.md")


def test_every_environment_has_its_row() -> None:
    """The values of the option are those of the first table."""
    named = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert named == [environment.value for environment in Environment]


def test_every_image_is_on_the_page_and_every_one_there_is_known() -> None:
    """A tag is named by the program exactly if a person can read it here."""
    named = set(re.findall(r"`([\w./-]+:[\w.-]+)`", PAGE)) - {f"{images.IMMICH}:MAJOR-vectorchordV-pgvectorsP"}
    assert named == set(images.ALONE.values()) | set(images.OPERATORS.values())
    both = next(line for line in PAGE.splitlines() if line.startswith("| both libraries"))
    assert all(release in both for release in (*images.NEWEST_FIRST, *images.BESIDE[14]))
    assert all(str(major) in both for major in images.BESIDE)
