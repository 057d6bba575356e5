-- What lists and tables read: folds of the events, made again at any time. And the leases, which are no fold.

CREATE TABLE runs (
    run_id         TEXT    PRIMARY KEY NOT NULL,
    repo           TEXT    NOT NULL,
    prompt_version TEXT    NOT NULL,
    title          TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    reason         TEXT    NOT NULL,
    last_error     TEXT,
    pr_number      INTEGER,
    version        INTEGER NOT NULL,
    last_seq       INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    head_hash      BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- Serves lists by state and, merged over all states, the list of everything, newest update first.
CREATE INDEX runs_state ON runs (state, last_seq);

-- Known by the event that began it, so that new rows lie side by side whatever their runs are. A run's attempts are found
-- through its events, whose index is there anyway; an index of its own here would cost every run a page in each commit.
CREATE TABLE attempts (
    seq         INTEGER PRIMARY KEY,
    run_id      TEXT    NOT NULL,
    no          INTEGER NOT NULL,
    step        TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    outcome     TEXT,
    exit_code   INTEGER,
    duration_ms INTEGER NOT NULL,
    log         TEXT,
    message     TEXT    NOT NULL
) STRICT;

CREATE TABLE artifacts (
    run_id TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    uri    TEXT    NOT NULL,
    sha256 TEXT,
    at     INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

-- The owner is empty after a release; the generation stays, so that it only grows.
CREATE TABLE leases (
    run_id       TEXT    PRIMARY KEY NOT NULL,
    owner        TEXT,
    generation   INTEGER NOT NULL,
    wall         INTEGER NOT NULL,
    boot         TEXT    NOT NULL,
    monotonic_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
