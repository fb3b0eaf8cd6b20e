-- Panes are kept in parts, as they were counted: a commit writes what it adds and nothing else.
DROP TABLE pane;
CREATE TABLE part (
    id      INTEGER PRIMARY KEY,
    model   INTEGER NOT NULL REFERENCES model,
    pane    TEXT,             -- its name; null once it is closed and only the rows matter
    rows    INTEGER NOT NULL,
    level   INTEGER NOT NULL, -- 0 as it was counted; each level was merged from several of the one below
    source  INTEGER,
    content BLOB,             -- of a file that may be rewritten, as in the ledger
    start   INTEGER,          -- event time at which the pane starts
    body    BLOB
);
CREATE INDEX part_pane ON part (model, pane, level);
CREATE INDEX part_content ON part (source, content) WHERE content IS NOT NULL;
CREATE INDEX path_content ON path (source, content) WHERE content IS NOT NULL;
-- Places and windows of version 2 know no event time and no baselines.
DELETE FROM place;
DELETE FROM closed_window;
UPDATE model SET windows = '[]';
-- The profile of a large reference comes in parts, which are encoded and decoded on all cores.
CREATE TABLE reference_part (
    model  INTEGER NOT NULL REFERENCES model,
    number INTEGER NOT NULL,
    body   BLOB NOT NULL,
    PRIMARY KEY (model, number)
);
INSERT INTO reference_part SELECT model, 0, body FROM reference;
ALTER TABLE reference DROP COLUMN body;
