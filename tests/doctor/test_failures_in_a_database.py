"""Every failure of docs/failures.md that lies in the database: made on a real server, recognised by the doctor.

A test carries the id of its failure in its name; what it expects is read from the page.
"""

from __future__ import annotations

import pytest
from examination import BLOCKED, DONE, WAITING
from failures import shown
from patients import Patient

from migrator.sandbox.immich_startup import MIGRATIONS_LOCK

OTHER_ROLE = "somebody_else"


def make_other_role(patient: Patient) -> None:
    """Make a role that has nothing to do with Immich."""
    patient.execute(f"DO $$ BEGIN CREATE ROLE {OTHER_ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")


def test_nothing_is_wrong(patient: Patient) -> None:
    """A sound database with both libraries loaded: no blocker, no task, and the next command."""
    patient.build()
    said = patient.examine()
    assert (said.code, said.troubles) == (DONE, [])
    groups = ["server", "library", "extensions", "preload", "rights", "data", "space", "Immich"]
    assert list(dict.fromkeys(finding["group"] for finding in said.findings)) == groups
    assert said.text.endswith("Nothing stands in the way. Next: migrate --from pgvecto.rs --dry-run")


def test_a2_immich_3_finds_pgvectors_alone(patient: Patient) -> None:
    """What Immich 3 complains about is a task on the path: VectorChord is to be installed."""
    server = patient.server
    patient.build()
    server.remove("vchord")
    try:
        said = patient.examine("--target-immich", "3.0.0")
    finally:
        server.install("vchord", "0.3.0")
    said.assert_names(shown()["A2"])


def test_c1_the_role_may_not_create_extensions(patient: Patient) -> None:
    """Every right that is missing on the whole path is named at once, with the script for a DBA."""
    patient.user = "plain"
    patient.build(owner="plain", owner_is_superuser=False)
    said = patient.examine()
    assert said.code == WAITING
    said.assert_names(shown()["C1"])
    assert 'owner of extension "vectors"' in said.text
    assert "could not be read: needs pg_read_all_settings" in said.text


@pytest.mark.parametrize(
    ("failure", "source", "value"), [("C2", "pgvector", "pgvector"), ("I1", "pgvecto.rs", "pgvecto.rs")]
)
def test_c2_i1_immich_is_told_to_use_another_extension(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, failure: str, source: str, value: str
) -> None:
    """The variable is read where Immich reads it, on either path, and unset is not complained about."""
    patient.build(source=source)
    monkeypatch.setenv("DB_VECTOR_EXTENSION", value)
    said = patient.examine("--from", source)
    assert said.code == WAITING
    said.assert_names(shown()[failure])
    monkeypatch.setenv("DB_VECTOR_EXTENSION", "vectorchord")
    assert patient.examine("--from", source).troubles == []


def test_c6_the_tables_belong_to_another_role(patient: Patient) -> None:
    """The table that the role does not own is named."""
    patient.user = "plain"
    patient.build(owner="plain", owner_is_superuser=False)
    make_other_role(patient)
    patient.execute(f"ALTER TABLE smart_search OWNER TO {OTHER_ROLE}")
    said = patient.examine()
    said.assert_names(shown()["C6"])
    assert 'owner of table "public.face_search"' not in said.text


def test_c6_a_setting_makes_the_role_another(patient: Patient) -> None:
    """`ALTER ROLE ... SET role` hides who connected: both roles are named."""
    patient.build()
    make_other_role(patient)
    patient.execute(f"CREATE ROLE switched LOGIN SUPERUSER; ALTER ROLE switched SET role = {OTHER_ROLE}")
    patient.user = "switched"
    try:
        said = patient.examine()
    finally:
        patient.execute("DROP ROLE switched")
    said.assert_names(shown()["C6"])
    assert f'a stored setting makes role "switched" act as "{OTHER_ROLE}"' in said.text


@pytest.mark.parametrize("statement", ["DROP EXTENSION vectors CASCADE", "ALTER TABLE smart_search DROP embedding"])
def test_d4_the_column_is_gone(patient: Patient, statement: str) -> None:
    """Nothing brings lost embeddings back, and the doctor does not ask for a dimension to restore them with."""
    patient.build()
    patient.execute(statement)
    said = patient.examine()
    assert said.code == BLOCKED
    said.assert_names(shown()["D4"])
    assert len(said.troubles) == (2 if "EXTENSION" in statement else 1)
    assert "--dimension" not in said.text


def test_d4b_somebody_else_keeps_vectors_too(patient: Patient) -> None:
    """Each column is named: a vector with the option that converts it, another type with the vendor's way."""
    patient.build()
    patient.execute("CREATE TABLE photos (id int PRIMARY KEY, v vectors.vector(3), h vectors.vecf16(3))")
    said = patient.examine()
    assert said.code == BLOCKED
    said.assert_names(shown()["D4b"])
    assert "this tool does not convert vecf16" in said.text
    included = patient.examine("--include", "public.photos.v")
    assert not [text for text in included.troubles if "column v of table" in text]


def test_d5_the_model_does_not_fit(patient: Patient) -> None:
    """Immich would delete every row at its next start, so it is told before; with the right model it is not."""
    patient.build(model="ViT-L-14__openai")
    said = patient.examine()
    assert said.code == BLOCKED
    said.assert_names(shown()["D5"])
    assert patient.examine("--clip-model", "ViT-B-32__openai").troubles == []


def test_d5b_the_columns_are_arrays(patient: Patient) -> None:
    """The dimension is in the rows, which are only read with --deep: until then it is a note, not a blocker."""
    patient.build(source="real[]", dimension=768)
    said = patient.examine()
    assert said.code == DONE
    said.assert_names(shown()["D5b"])
    assert "real[] in smart_search and face_search: a conversion was begun and not ended" in said.text
    deep = patient.examine("--deep")
    assert deep.code == DONE
    assert "the catalogs no longer tell" not in deep.text
    assert f"smart_search: real[], {20} rows" in deep.text


def test_d5b_arrays_that_disagree_are_a_blocker(patient: Patient) -> None:
    """A comment that says another number than the arrays: nobody guesses."""
    patient.build(source="real[]")
    patient.execute("COMMENT ON COLUMN smart_search.embedding IS '[vectorchord-migrator: dimension 768]'")
    assert patient.examine("--clip-model", "off").code == DONE
    deep = patient.examine("--clip-model", "off", "--deep")
    assert deep.code == BLOCKED
    assert "comment on the column: 768; shortest array: 512; longest array: 512" in deep.text


def test_d6_a_constraint_is_left_over(patient: Patient) -> None:
    """The path drops it, so it is a note, and no blocker by its dependence on the extension."""
    patient.build()
    check = "CHECK (array_length(embedding::real[], 1) = 512)"
    patient.execute(f"ALTER TABLE smart_search ADD CONSTRAINT dim_size_constraint {check}")
    said = patient.examine()
    assert said.code == DONE
    said.assert_names(shown()["D6"])


def test_e2_extensions_in_the_wrong_schema(patient: Patient) -> None:
    """Created in schema vectors, as a search path that begins there does it."""
    patient.build(source="real[]")
    patient.execute("CREATE SCHEMA vectors", "CREATE EXTENSION vchord SCHEMA vectors CASCADE")
    said = patient.examine()
    assert said.code == DONE
    said.assert_names(shown()["E2"])


def test_e3_two_schemas_have_the_table(patient: Patient) -> None:
    """Both schemas are named, and nobody is told to restore a backup."""
    patient.build()
    patient.execute(
        "CREATE SCHEMA a",
        "CREATE SCHEMA b",
        "ALTER TABLE smart_search SET SCHEMA a",
        "CREATE TABLE b.smart_search (LIKE a.smart_search)",
    )
    said = patient.examine()
    assert said.code == BLOCKED
    said.assert_names(shown()["E3"])
    assert "backup" not in said.text


def test_h1_e4_what_is_left_over_afterwards(patient: Patient) -> None:
    """First the extension, which spoils dumps; then its schema, which it leaves behind; then nothing."""
    patient.build(source="vchord", also_create=("vectors",))
    said = patient.examine()
    assert said.code == DONE
    said.assert_names(shown()["H1"])
    patient.execute("DROP EXTENSION vectors")
    said = patient.examine()
    assert said.code == DONE
    said.assert_names(shown()["E4"])
    patient.execute("DROP SCHEMA vectors")
    assert "left over" not in patient.examine().text


def test_h3_functions_without_an_extension(patient: Patient) -> None:
    """As a half-done upgrade or a dump leaves them: named with the statement that removes them, and gone after it."""
    patient.build(source="vchord", also_create=("vectors",))
    patient.execute(
        "CREATE FUNCTION old_cosine(real[], real[]) RETURNS real LANGUAGE c AS "
        "'$libdir/vectors', '_vectors_vecf32_operator_cosine_wrapper'"
    )
    said = patient.examine()
    assert said.code == DONE
    said.assert_names(shown()["H3"])
    drop = "DROP FUNCTION public.old_cosine(real[],real[]);"
    assert drop in said.text
    patient.execute(drop)
    assert "belong to no extension" not in patient.examine().text


def test_d9_a_standby_is_connected(patient: Patient) -> None:
    """Told by name while it is connected, and by nothing else afterwards."""
    patient.build()
    assert "standby connected" not in patient.examine().text
    with patient.server.connect("immich", replication="yes", application_name="copy_of_db"):
        said = patient.examine()
    assert said.code == DONE
    said.assert_names(shown()["D9"])
    assert "1 standby connected (copy_of_db)" in said.text


@pytest.mark.parametrize(("release", "target"), [("1.106.0", "2.7.5"), ("1.131.0", "1.137.0")])
def test_f3_immich_releases_were_left_out(patient: Patient, release: str, target: str) -> None:
    """The releases to be started in between are named, and that they come before this migration."""
    patient.build(immich_version=release)
    said = patient.examine("--target-immich", target)
    assert said.code == BLOCKED
    if release == "1.106.0":
        said.assert_names(shown()["F3"])
    assert "Invalid upgrade path" in said.text
    assert "1.132 to 1.136" in said.text


def test_g2_the_disk_is_too_small(patient: Patient) -> None:
    """What is needed is always told; what is free only a person can tell, and then it is compared."""
    patient.build()
    assert "the server cannot tell what is free: --data-free-bytes N" in patient.examine().text
    said = patient.examine("--data-free-bytes", "1000")
    assert said.code == BLOCKED
    said.assert_names(shown()["G2"])
    assert patient.examine("--data-free-bytes", str(10**12)).troubles == []


def test_while_immich_is_starting(patient: Patient) -> None:
    """The holder of lock 200 is named; the doctor waits for nobody."""
    patient.build()
    with patient.server.connect("immich", application_name="immich-server") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [MIGRATIONS_LOCK])
        said = patient.examine()
        holder = connection.info.backend_pid
    assert said.code == WAITING
    assert f"lock 200 is held by pid {holder} (immich-server)" in said.text
    assert "stop Immich" in said.text


def test_while_somebody_holds_the_tables(patient: Patient) -> None:
    """An exclusive lock on a table does not keep the doctor from its catalogs, since it opens no table."""
    patient.build()
    with patient.server.connect("immich") as connection, connection.transaction():
        connection.execute("LOCK TABLE smart_search, face_search IN ACCESS EXCLUSIVE MODE")
        said = patient.examine()
    assert (said.code, said.troubles) == (DONE, [])
    assert "1 other session(s) in this database" in said.text
