-- What agents used, and whose allowance is used up: folds of the events, made again at any time.

-- Known by the event that began the attempt and found through the events of its run, as in `attempts`. Of one that is under way, or that ended without anybody reading what it
-- used (`settled` = 0), the reservation counts.
CREATE TABLE usage (
    seq             INTEGER PRIMARY KEY,
    run_id          TEXT    NOT NULL,
    no              INTEGER NOT NULL,
    repository      TEXT    NOT NULL,
    started_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    agent           TEXT    NOT NULL,
    version         TEXT    NOT NULL,
    model           TEXT    NOT NULL,
    role            TEXT    NOT NULL,
    class           TEXT,
    reserved_tokens INTEGER,
    reserved_micros INTEGER,
    reserved_secs   INTEGER,
    reserved_turns  INTEGER,
    settled         INTEGER NOT NULL CHECK (settled IN (0, 1)),
    input           INTEGER NOT NULL,
    cached          INTEGER NOT NULL,
    cache_write     INTEGER NOT NULL,
    output          INTEGER NOT NULL,
    reasoning       INTEGER NOT NULL,
    micros          INTEGER NOT NULL,
    source          TEXT    NOT NULL,
    turns           INTEGER NOT NULL,
    duration_ms     INTEGER NOT NULL
) STRICT;

CREATE INDEX usage_repository ON usage (repository, started_at);

CREATE INDEX usage_started ON usage (started_at);

-- The newest word about each pool, by `seq`; one that is there again keeps its row, without `until`, so that an older word read later
-- changes nothing.
CREATE TABLE pools (
    pool   TEXT    PRIMARY KEY NOT NULL,
    until  INTEGER,
    run_id TEXT    NOT NULL,
    seq    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
