-- What a forge knows runs by, folded from the events; and the inbox of webhook deliveries, which is no fold.

-- Written only by the few events that concern it, so that no other append pays for it.
CREATE TABLE links (
    run_id    TEXT    PRIMARY KEY NOT NULL,
    repo      TEXT    NOT NULL,
    repo_id   INTEGER,
    pr_number INTEGER,
    branch    TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX links_repo ON links (repo, pr_number);

CREATE INDEX links_repo_id ON links (repo_id, pr_number) WHERE repo_id IS NOT NULL;

CREATE INDEX links_branch ON links (branch) WHERE branch IS NOT NULL;

-- The commits of each run. One tree and no index beside it: an index by run would cost every captured change a page.
CREATE TABLE forge_heads (
    sha    TEXT NOT NULL,
    run_id TEXT NOT NULL,
    PRIMARY KEY (sha, run_id)
) STRICT, WITHOUT ROWID;

-- The body comes last, so that reading the rest of a row leaves the body's pages alone.
CREATE TABLE deliveries (
    no          INTEGER PRIMARY KEY,
    source      TEXT    NOT NULL,
    id          BLOB    NOT NULL CHECK (length(id) = 16),
    origin      TEXT    NOT NULL,
    event       TEXT    NOT NULL,
    hook        INTEGER,
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    received_at INTEGER NOT NULL,
    status      TEXT    NOT NULL,
    detail      TEXT    NOT NULL,
    addresses   TEXT,
    runs        TEXT,
    tries       INTEGER NOT NULL,
    next_at     INTEGER,
    body        BLOB
) STRICT;

CREATE UNIQUE INDEX deliveries_id ON deliveries (source, id);

-- Eight bytes find a digest; the row says whether it is the one. Entries lie in no order of time, so each costs a page in its
-- commit, and short entries share pages sooner.
CREATE INDEX deliveries_digest ON deliveries (substr(digest, 1, 8));

-- Serves lists by status and, merged over all, of everything, newest first; counts; and what is to be forgotten.
CREATE INDEX deliveries_status ON deliveries (status, received_at, source);

CREATE INDEX deliveries_due ON deliveries (next_at) WHERE status = 'failed';

-- What deliveries wait for: rows only while they do.
CREATE TABLE waiting (
    delivery  INTEGER NOT NULL REFERENCES deliveries (no) ON DELETE CASCADE,
    place     INTEGER NOT NULL,
    repo_id   INTEGER,
    repo      TEXT,
    pr_number INTEGER,
    sha       TEXT,
    branch    TEXT,
    whole     INTEGER NOT NULL CHECK (whole IN (0, 1)),
    PRIMARY KEY (delivery, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX waiting_repo ON waiting (repo, pr_number) WHERE repo IS NOT NULL;

CREATE INDEX waiting_repo_id ON waiting (repo_id, pr_number) WHERE repo_id IS NOT NULL;

CREATE INDEX waiting_sha ON waiting (sha) WHERE sha IS NOT NULL;

CREATE INDEX waiting_branch ON waiting (branch) WHERE branch IS NOT NULL;

CREATE TABLE hooks (
    id      INTEGER PRIMARY KEY,
    repo    TEXT,
    events  TEXT    NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT;

CREATE TABLE incidents (
    no       INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    delivery BLOB    NOT NULL CHECK (length(delivery) = 16),
    detail   TEXT    NOT NULL
) STRICT;
