-- A pane keeps the name that it was born with, and what was counted into it is found by that name.
CREATE TABLE pane_delta (
    id      INTEGER PRIMARY KEY,
    model   INTEGER NOT NULL REFERENCES model,
    bucket  INTEGER,       -- number of the stretch of event time; null without event time, and where
                           -- all windows by event time had closed
    slots   TEXT NOT NULL, -- JSON: the open window of each kind that is cut by rows; null where closed
    rows    INTEGER NOT NULL,
    level   INTEGER NOT NULL, -- 0 as it was counted; each level was merged from several of the one below
    source  INTEGER,
    content BLOB,          -- of a file that may be rewritten, as in the ledger
    body    BLOB NOT NULL
);
CREATE INDEX pane_delta_pane ON pane_delta (model, bucket, slots, rows);
CREATE INDEX pane_delta_content ON pane_delta (source, content) WHERE content IS NOT NULL;
CREATE INDEX pane_delta_level ON pane_delta (model, level) WHERE content IS NULL;
-- What a file that may be rewritten had in each stretch of event time: a later version of it is
-- late only with what is over that.
CREATE TABLE file_rows (
    source  INTEGER NOT NULL REFERENCES source,
    content BLOB NOT NULL,
    start   INTEGER NOT NULL,
    rows    INTEGER NOT NULL,
    PRIMARY KEY (source, content, start)
) WITHOUT ROWID;
-- How far a source with an order of its own has been counted.
CREATE TABLE position (
    source    INTEGER NOT NULL REFERENCES source,
    partition TEXT NOT NULL,
    position  INTEGER NOT NULL,
    PRIMARY KEY (source, partition)
) WITHOUT ROWID;
-- When the state first knew of a model; microseconds since 1970.
ALTER TABLE model ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
UPDATE model SET created = coalesce((
    SELECT min(counted) FROM file JOIN source ON source.id = file.source
    WHERE source.model = model.id), 0);
