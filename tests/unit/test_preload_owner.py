"""Who owns `shared_preload_libraries`, what the operator has to write there, and what waits for a restart."""

import pytest
from shown import PRELOAD, Line, Shown

from migrator.catalog import Catalog
from migrator.step import Blocker
from steps.advice.environment import Environment
from steps.shared import preload

CONF = "/var/lib/postgresql/data/postgresql.conf"
AUTO = "/var/lib/postgresql/data/postgresql.auto.conf"
BOTH = ("vchord.so", "vectors.so")
ADVICE = Line(AUTO, 3, '"vectors.so"')


def edit_for(shown: Shown, environment: Environment | None = None) -> Blocker:
    """Return what an operator is told who has to have both libraries loaded."""
    catalog = shown.catalog()
    return preload.edit_by_hand(catalog, preload.merged(catalog, ("vchord", "vectors")), "preload both", environment)


def wants_both(catalog: Catalog) -> bool:
    """Tell whether the merged list is the two libraries."""
    return preload.merged(catalog, ("vchord", "vectors")) == BOTH


def test_a_line_of_the_main_file_is_named() -> None:
    """File, line, and the line as it has to read."""
    shown = Shown(settings={"config_file": CONF}, lines=[Line(CONF, 12, "vectors.so")])
    assert edit_for(shown).fix == (f"edit {CONF}, line 12, to read:", f"{PRELOAD} = 'vchord.so, vectors.so'")
    assert f"from: configuration file {CONF}, line 12" in edit_for(shown).found


def test_an_included_file_is_named_as_one() -> None:
    """A person who edits the main file instead would change nothing."""
    included = "/etc/postgresql/conf.d/vectors.conf"
    fix = edit_for(Shown(settings={"config_file": CONF}, lines=[Line(included, 1, "vectors.so")])).fix
    assert fix[0] == f"edit {included}, line 1 (an included file), to read:"


def test_what_pgvectors_own_advice_left_is_recognised() -> None:
    """ALTER SYSTEM wrote '"vectors.so"', which wins over the line that the person edited: both are shown."""
    said = edit_for(Shown(settings={"config_file": CONF}, lines=[Line(CONF, 12, "vchord.so, vectors.so"), ADVICE]))
    assert said.fix[0] == f"ALTER SYSTEM wrote {AUTO}, line 3"
    assert said.fix[1] == "(pgvecto.rs advises to), and it wins over postgresql.conf,"
    assert said.fix[3] == f"ALTER SYSTEM SET \"{PRELOAD}\" = 'vchord.so', 'vectors.so';"
    assert f"{CONF}, line 12 does not count" in said.found


def test_the_last_entry_of_auto_conf_is_reset() -> None:
    """An empty list cannot be written by ALTER SYSTEM, so the entry goes, and the file below it is edited too."""
    catalog = Shown(lines=[Line(CONF, 12, "vectors.so"), ADVICE]).catalog()
    fix = preload.edit_by_hand(catalog, (), "nothing preloaded").fix
    assert fix[2] == f"so as a superuser: ALTER SYSTEM RESET {PRELOAD};"
    assert fix[3] == f"then in {CONF}, line 12: {PRELOAD} = ''"


def test_the_command_line_wins_over_every_file() -> None:
    """In Compose it stands under `command:`, and a restart does not read the file again."""
    shown = Shown(source="command line", lines=[Line(CONF, 12, "vectors.so")], settings={"config_file": CONF})
    said = edit_for(shown)
    assert said.fix[1:] == (
        f"in the compose file, service database, `command:`: -c {PRELOAD}=vchord.so,vectors.so",
        "docker compose up -d database",
        "then restart PostgreSQL: this role sees the change only then",
    )
    assert f"{CONF}, line 12 does not count" in said.found


def test_a_variable_of_the_environment_is_changed_where_the_server_is_started() -> None:
    """No file is to be edited for it."""
    assert "environment variable" in edit_for(Shown(source="environment variable")).fix[0]


def test_a_file_that_an_image_writes_is_changed_at_its_source() -> None:
    """Bitnami's image has a variable for it; Immich's writes its file at each start, so ALTER SYSTEM is named."""
    bitnami = edit_for(Shown(lines=[Line("/opt/bitnami/postgresql/conf/postgresql.conf", 9, "vectors.so")]))
    assert bitnami.fix[1] == "POSTGRESQL_SHARED_PRELOAD_LIBRARIES=vchord.so,vectors.so"
    immich = edit_for(Shown(lines=[Line("/etc/postgresql/postgresql.conf", 9, "vectors.so")]))
    assert immich.fix[2] == f"ALTER SYSTEM SET \"{PRELOAD}\" = 'vchord.so', 'vectors.so';"


@pytest.mark.parametrize("given", [None, Environment.CLOUDNATIVEPG])
def test_cloudnativepg_is_told_in_the_cluster_never_by_alter_system(given: Environment | None) -> None:
    """The operator owns the file, whoever says that it is there."""
    shown = Shown(
        archiver="/controller/" if given is None else "",
        settings={"cluster_name": "photos"},
        lines=[Line("/var/lib/postgresql/data/pgdata/custom.conf", 4, "vectors.so")],
    )
    assert edit_for(shown, given).fix[:2] == (
        "kubectl edit cluster photos",
        'spec.postgresql.shared_preload_libraries: ["vchord.so", "vectors.so"]',
    )
    assert not preload.may_alter_system(shown.catalog(), BOTH, given)


def test_nixos_declares_it() -> None:
    """What ALTER SYSTEM wrote there would silently win over the next declaration."""
    shown = Shown(settings={"hba_file": "/nix/store/x-pg_hba.conf"}, lines=[Line(CONF, 4, "vectors.so")])
    setting = f'services.postgresql.settings.{PRELOAD} = [ "vchord.so" "vectors.so" ];'
    assert edit_for(shown).fix == (f"in configuration.nix: {setting}", "sudo nixos-rebuild switch")
    assert not preload.may_alter_system(shown.catalog(), BOTH)


@pytest.mark.parametrize(
    ("shown", "may"),
    [
        (Shown(), True),
        (Shown(superuser=False), False),
        (Shown(source="command line"), False),
        (Shown(settings={"allow_alter_system": "off"}), False),
        (Shown(preload=None, lines=None), False),
    ],
    ids=["superuser", "plain role", "command line", "switched off", "not visible"],
)
def test_alter_system_is_used_where_it_decides(shown: Shown, may: bool) -> None:  # noqa: FBT001
    """A statement that would be refused, or would change nothing, is not planned."""
    assert preload.may_alter_system(shown.catalog(), BOTH) is may


def test_a_role_that_sees_nothing_is_told_to_keep_what_else_is_in_the_list() -> None:
    """Neither value nor file is known, so nothing is said that would drop a foreign library."""
    said = edit_for(Shown(preload=None, lines=None, superuser=False))
    assert "keep other libraries that are in it" in said.wanted
    assert said.fix[-1] == "then restart PostgreSQL: this role sees the change only then"


@pytest.mark.parametrize("broken", ['"vchord.so, vectors.so"', '"vchord.so,vectors.so"'])
def test_a_list_in_the_quotes_of_one_name_is_taken_apart(broken: str) -> None:
    """ALTER SYSTEM with the list as one string: PostgreSQL would look for a library of that name, and not start."""
    shown = Shown(lines=[Line(AUTO, 3, broken)])
    catalog = shown.catalog()
    assert not preload.will_have(catalog, "vchord", "vectors")
    assert wants_both(catalog)
    assert "would be taken for one library, and PostgreSQL would not start" in edit_for(shown).found


def test_an_empty_name_is_dropped() -> None:
    """ALTER SYSTEM with an empty string leaves a library without a name."""
    catalog = Shown(lines=[Line(AUTO, 3, '""')]).catalog()
    assert preload.merged(catalog, ("vchord",)) == ("vchord.so",)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (Shown(lines=[Line(CONF, 12, "vchord.so, vectors.so")]), "was edited and not reloaded: the restart reads it"),
        (
            Shown(lines=[Line(CONF, 12, "vchord.so, vectors.so")], pending_restart=True),
            "was reloaded since, and waits for the restart",
        ),
    ],
    ids=["edited", "reloaded"],
)
def test_what_waits_for_a_restart_is_told_apart(shown: Shown, said: str) -> None:
    """The file was edited only, or PostgreSQL was made to read it already: file and line are named either way."""
    assert preload.not_yet_in_force(shown.catalog()) == f"; {CONF}, line 12, {said}"


@pytest.mark.parametrize("shown", [Shown(lines=[Line(CONF, 12, "vectors.so")]), Shown(preload=None, lines=None)])
def test_nothing_is_said_to_wait_where_nothing_does(shown: Shown) -> None:
    """File and server agree, or nobody can tell."""
    assert preload.not_yet_in_force(shown.catalog()) == ""
