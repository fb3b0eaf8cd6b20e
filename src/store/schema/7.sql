-- Closed windows whose figures any SQLite reads: a row per window, and a row per window and feature.
DROP TRIGGER closed_window_added;
DROP TRIGGER closed_window_removed;
DROP TRIGGER closed_window_changed;
DROP INDEX closed_window_latest;
DELETE FROM table_sum WHERE name = 'closed_window';
ALTER TABLE closed_window RENAME TO closed_window_before;
CREATE TABLE closed_window (
    id        INTEGER PRIMARY KEY AUTOINCREMENT, -- ledger order
    model     INTEGER NOT NULL REFERENCES model,
    window    TEXT NOT NULL,
    slot      INTEGER NOT NULL,
    start     INTEGER,
    "end"     INTEGER,
    closed    INTEGER,
    rows      INTEGER NOT NULL,
    rows_kept INTEGER NOT NULL,
    verdict   TEXT NOT NULL,
    judged    INTEGER NOT NULL,
    drifted   INTEGER NOT NULL,
    features  INTEGER NOT NULL, -- how many rows of feature_window it has
    baselines TEXT NOT NULL,    -- JSON: what it was compared with besides the reference
    compared  BLOB NOT NULL,    -- hash of the reference, as in feature
    sum       INTEGER NOT NULL,
    bytes     INTEGER NOT NULL DEFAULT 0 -- what its features take, about
);
CREATE INDEX closed_window_latest ON closed_window (model, window, "end", id);
-- What windows were compared with: a row per feature of each reference.
CREATE TABLE feature (
    id        INTEGER PRIMARY KEY,
    model     INTEGER NOT NULL REFERENCES model,
    name      TEXT NOT NULL,
    kind      TEXT NOT NULL,
    content   BLOB NOT NULL, -- hash of all of it; empty of windows that were closed before it was kept
    sum       INTEGER NOT NULL,
    reference BLOB           -- its figures and its bins
);
CREATE UNIQUE INDEX feature_name ON feature (model, name, kind, content);
-- One feature of one window. Columns of measures stand after all others: a driftd that knows more
-- measures adds theirs at the end.
CREATE TABLE feature_window (
    window             INTEGER NOT NULL,
    feature            INTEGER NOT NULL, -- no REFERENCES: nothing is to look for it here
    position           INTEGER NOT NULL, -- among the features of the window
    status             TEXT NOT NULL,
    drifted            INTEGER,
    called             TEXT, -- the measures that call drift
    rows               INTEGER NOT NULL,
    distinct_values    INTEGER,
    missing_ratio      REAL,
    null_ratio         REAL,
    nan_ratio          REAL,
    infinite_ratio     REAL,
    zero_ratio         REAL,
    unseen_ratio       REAL,
    out_of_range_ratio REAL,
    outlier_ratio      REAL,
    mean               REAL,
    stddev             REAL,
    min                REAL,
    max                REAL,
    percentile_1       REAL,
    percentile_5       REAL,
    percentile_25      REAL,
    percentile_50      REAL,
    percentile_75      REAL,
    percentile_95      REAL,
    percentile_99      REAL,
    sum                INTEGER NOT NULL,
    details            BLOB NOT NULL, -- bins, what moved, other baselines
    PRIMARY KEY (window, feature)
) WITHOUT ROWID;
CREATE INDEX feature_window_drifted ON feature_window (window, feature) WHERE drifted = 1;
-- The history as a table of names and numbers.
CREATE VIEW history AS
    SELECT m.name AS model, m.version, w.window AS window_name, w.slot, w.start, w."end", w.closed,
        f.name AS feature_name, f.kind, v.*
    FROM closed_window w
    JOIN model m ON m.id = w.model
    JOIN feature_window v ON v.window = w.id
    JOIN feature f ON f.id = v.feature;
