-- The journal of one migrated database. Every table is append-only, except that a run and an invocation get their end.

-- What this journal is about. One row, written when the run begins, so that another database can be refused.
CREATE TABLE run (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    run_id TEXT NOT NULL,
    system_identifier TEXT NOT NULL,
    database_oid INTEGER NOT NULL,
    database_name TEXT NOT NULL,
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    options TEXT NOT NULL,
    tool_version TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT
) STRICT;

-- Each start of the tool: arguments without secrets. ended_at is NULL while it runs, or for ever if it was killed.
CREATE TABLE invocations (
    id INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL,
    tool_version TEXT NOT NULL,
    arguments TEXT NOT NULL,
    pid INTEGER NOT NULL,
    ended_at TEXT,
    exit_code INTEGER
) STRICT;

-- What must survive: written before the transaction that destroys it commits. The newest row of a name counts.
CREATE TABLE facts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    step TEXT NOT NULL,
    recorded_at TEXT NOT NULL
) STRICT;

-- What happened, in order: 'started' without 'finished' means ask the database.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    invocation INTEGER NOT NULL REFERENCES invocations (id),
    step TEXT NOT NULL,
    statement TEXT,
    event TEXT NOT NULL CHECK (event IN ('observed', 'started', 'finished', 'failed', 'waiting', 'retried',
                                         'undone')),
    duration_seconds REAL,
    detail TEXT
) STRICT;
