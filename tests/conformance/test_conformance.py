"""Every recorded scenario, replayed on the builds of the shelf."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from recording import all_recordings, load
from replay import replay, report
from servers import MakeServer

from migrator.sandbox.tree import Tree

_RECORDED_ON = 16


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", all_recordings(), ids=_name)
def test_builds_answer_as_recorded(
    path: Path, make_server: MakeServer, tree: Tree, record_property: Callable[[str, object], None]
) -> None:
    """Each step is answered as the genuine extension answered it, but for the declared exceptions."""
    if tree.major != _RECORDED_ON:
        pytest.skip(f"recorded on Postgres {_RECORDED_ON}, whose own messages differ from {tree.version}'s")
    recording = load(path)
    verdicts = list(replay(recording, make_server(start=False)))
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    reasons = Counter(reason for verdict in verdicts for reason in verdict.reasons)
    record_property("conformance", json.dumps({"outcomes": outcomes, "reasons": reasons}))
    differing = [report(verdict, quiet=True) for verdict in verdicts if verdict.outcome == "differs"]
    assert not differing, "\n" + "\n".join(differing)
