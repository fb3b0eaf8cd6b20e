-- The state of driftd. Opened by any SQLite; times are microseconds since 1970.
CREATE TABLE model (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    -- Names and kinds of the windows that pane keys are made of, in their order.
    windows TEXT NOT NULL,
    UNIQUE (name, version)
);
CREATE TABLE source (
    id    INTEGER PRIMARY KEY,
    model INTEGER NOT NULL REFERENCES model,
    name  TEXT NOT NULL,
    UNIQUE (model, name)
);
-- The ledger: every content that was counted, once.
CREATE TABLE file (
    source    INTEGER NOT NULL REFERENCES source,
    content   BLOB NOT NULL, -- XXH3, 128 bits, of the whole file and its partition
    size      INTEGER NOT NULL,
    partition TEXT NOT NULL,
    path      TEXT NOT NULL, -- where it was found first
    rows      INTEGER NOT NULL,
    counted   INTEGER NOT NULL,
    PRIMARY KEY (source, content, size, partition)
) WITHOUT ROWID;
-- What is known of paths: a shortcut for "not touched since", and the quarantine.
CREATE TABLE path (
    source   INTEGER NOT NULL REFERENCES source,
    path     BLOB NOT NULL,
    dev      INTEGER NOT NULL,
    ino      INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    -- Why the file cannot be read; null when its content is in the ledger.
    quarantined TEXT,
    content     BLOB, -- as in the ledger; null when quarantined
    PRIMARY KEY (source, path)
) WITHOUT ROWID;
-- Counts of panes whose windows are not closed yet.
CREATE TABLE pane (
    model INTEGER NOT NULL REFERENCES model,
    key   TEXT NOT NULL,
    body  BLOB NOT NULL,
    PRIMARY KEY (model, key)
) WITHOUT ROWID;
-- Where each window stands.
CREATE TABLE place (
    model  INTEGER NOT NULL REFERENCES model,
    window TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (model, window)
) WITHOUT ROWID;
CREATE TABLE closed_window (
    id      INTEGER PRIMARY KEY AUTOINCREMENT, -- ledger order
    model   INTEGER NOT NULL REFERENCES model,
    window  TEXT NOT NULL,
    slot    INTEGER NOT NULL,
    "end"   INTEGER,
    closed  INTEGER,
    rows    INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    figures BLOB NOT NULL
);
CREATE INDEX closed_window_latest ON closed_window (model, window, "end", id);
-- Totals over all runs of the daemon.
CREATE TABLE total (
    model INTEGER NOT NULL REFERENCES model,
    scope TEXT NOT NULL, -- 'sources' or 'windows'
    of    TEXT NOT NULL, -- which one
    name  TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (model, scope, of, name)
) WITHOUT ROWID;
