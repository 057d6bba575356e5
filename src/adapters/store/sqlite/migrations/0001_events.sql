-- The log: the only truth. Rows are added and never changed; the triggers say so to every program.

-- "AgPR" in ASCII: tells this file from any other SQLite database.
PRAGMA application_id = 0x41675052;

CREATE TABLE events (
    seq       INTEGER PRIMARY KEY,
    run_id    TEXT    NOT NULL,
    version   INTEGER NOT NULL CHECK (version > 0),
    name      TEXT    NOT NULL,
    schema    INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    actor     TEXT    NOT NULL,
    cause     INTEGER,
    key       TEXT,
    state     TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    prev_hash BLOB    NOT NULL CHECK (length(prev_hash) = 32),
    hash      BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE UNIQUE INDEX events_version ON events (run_id, version);

CREATE UNIQUE INDEX events_key ON events (run_id, key) WHERE key IS NOT NULL;

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only: none is changed');
END;

CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only: none is deleted');
END;
