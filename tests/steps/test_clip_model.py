"""A CLIP model of another dimension than the column's stops the run: Immich would empty the table when it starts."""

from __future__ import annotations

import pytest
from driving import BLOCKED, Tool, as_superuser
from workshop import Workshop, steps_of
from workshops import MakeWorkshop

from migrator.catalog import Catalog
from steps.shared.clip_models import model_blockers, model_warnings
from steps.shared.options import Options, SettingsFile

RECORDED = ("create-extension-vchord", "keep-immich-out", "record-embeddings")


def configure(shop: Workshop, value: str | None) -> None:
    """Put this JSON into Immich's settings; None = no settings at all."""
    as_superuser(shop.server, shop.database, "DELETE FROM public.system_metadata WHERE key = 'system-config'")
    if value is not None:
        insert = f"INSERT INTO public.system_metadata (key, value) VALUES ('system-config', '{value}')"
        as_superuser(shop.server, shop.database, insert)


def blocked(catalog: Catalog, options: Options | None = None) -> str:
    """Return what is found wrong with the model, "" for nothing."""
    return " ".join(blocker.found for blocker in model_blockers(catalog, {}, options or Options()))


@pytest.mark.parametrize(
    "settings",
    [
        None,
        '{"trash": {"days": 7}}',
        '{"machineLearning": {"clip": {"modelName": "ViT-B-16__openai"}, "urls": ["http://ml"]}, "trash": {"days": 7}}',
    ],
    ids=["no settings", "no model", "another model"],
)
def test_the_run_stops_and_what_is_told_mends_it(make_workshop: MakeWorkshop, settings: str | None) -> None:
    """Blocked before anything changes; the statement that is shown, with the model's name, keeps all other settings."""
    shop = make_workshop("0.3.0", dimension=768)
    configure(shop, settings)
    stopped = shop.run(steps_of(*RECORDED))
    assert (stopped.kind, stopped.step.key if stopped.step else "") == ("blocked", "record-embeddings")
    (blocker,) = stopped.blockers
    assert "of 512 dimensions; the embeddings have 768" in blocker.found
    assert "would delete every row" in blocker.wanted

    as_superuser(shop.server, shop.database, blocker.fix[2].replace("'MODEL'", "'ViT-L-14__openai'"))
    assert shop.run(steps_of(*RECORDED)).kind == "done"
    with shop.server.connect(shop.database) as connection:
        row = connection.execute("SELECT value FROM public.system_metadata WHERE key = 'system-config'").fetchone()
    assert row is not None
    assert row[0]["machineLearning"]["clip"]["modelName"] == "ViT-L-14__openai"
    assert (row[0].get("trash") == {"days": 7}) == ("trash" in (settings or ""))
    assert ("urls" in row[0]["machineLearning"]) == ("urls" in (settings or ""))


def test_a_fitting_model_is_in_nobodys_way(make_workshop: MakeWorkshop) -> None:
    """The database as Immich left it: nothing to stop for, nothing to warn of."""
    catalog = make_workshop("0.3.0", dimension=768).catalog()
    assert blocked(catalog) == ""
    assert model_warnings(catalog, {}, Options()) == []


def test_what_nobody_knows_is_a_warning(make_workshop: MakeWorkshop) -> None:
    """A model that is not in the table, or settings in a file, cannot be compared: said, and gone on."""
    shop = make_workshop("0.3.0")
    configure(shop, '{"machineLearning": {"clip": {"modelName": "my-own-model"}}}')
    catalog = shop.catalog()
    assert blocked(catalog) == ""
    assert "my-own-model is not known here" in model_warnings(catalog, {}, Options())[0]
    assert (
        "--clip-model NAME"
        in model_warnings(catalog, {}, Options(settings_file=SettingsFile("/x.json", problem="is no JSON")))[0]
    )


def test_a_file_that_immich_cannot_read_stops_the_run(make_workshop: MakeWorkshop) -> None:
    """Exit 4 names file and line, and the way around it; one in YAML that names the right model does not stop it."""
    shop = make_workshop("0.3.0")
    folder = shop.journal.parent
    file = folder / f"{shop.database}.yaml"
    journal = folder / f"{shop.database}-tool.db"
    tool = Tool(folder, shop.server.conninfo(shop.database, shop.user), journal, {"IMMICH_CONFIG_FILE": str(file)})
    for content, found in (
        ("machineLearning:\n  clip: [ViT", f"{file} is neither JSON nor YAML (line 2)"),
        (
            "machineLearning: {clip: {modelName: ViT-L-14-336__openai}}",
            "of 768 dimensions; the embeddings have 512",
        ),
    ):
        file.write_text(content)
        stopped = tool.migrate()
        assert (stopped.returncode, tool.next_step()) == (BLOCKED, "record-embeddings"), stopped.stderr
        assert found in " ".join(stopped.stderr.split())
        assert "--clip-model" in stopped.stderr or "modelName" in stopped.stderr
    file.write_text("machineLearning:\n  clip:\n    modelName: ViT-B-32__openai  # Immich's own\n")
    said = tool.call(*tool.arguments("--dry-run"))
    assert "IMMICH_CONFIG_FILE" not in said.stdout
    file.write_text("{")
    assert "IMMICH_CONFIG_FILE" not in tool.call(*tool.arguments("--dry-run", "--clip-model", "off")).stdout


def test_an_empty_table_has_nothing_to_lose(make_workshop: MakeWorkshop) -> None:
    """Immich would change the column's dimension, and no embedding would be gone."""
    shop = make_workshop("0.3.0", dimension=768)
    configure(shop, None)
    as_superuser(shop.server, shop.database, "DELETE FROM public.smart_search")
    assert blocked(shop.catalog()) == ""


def test_a_person_can_say_the_model(make_workshop: MakeWorkshop) -> None:
    """Through the command: the flag outweighs the database, and IMMICH_CONFIG_FILE switches the check off."""
    shop = make_workshop("0.3.0", dimension=768)
    configure(shop, None)
    folder = shop.journal.parent
    tool = Tool(folder, shop.server.conninfo(shop.database, shop.user), folder / f"{shop.database}-tool.db")
    stopped = tool.migrate()
    assert (stopped.returncode, tool.next_step()) == (BLOCKED, "record-embeddings")
    assert "Immich would empty smart_search at its next start" in " ".join(stopped.stderr.split())
    for environment, more in (({}, ["--clip-model", "ViT-L-14__openai"]), ({"IMMICH_CONFIG_FILE": "/x.yaml"}, [])):
        free = Tool(folder, tool.database, tool.journal, environment)
        said = free.call(*free.arguments("--dry-run", *more))
        assert "of 512 dimensions" not in said.stdout
