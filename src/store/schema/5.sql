-- Every row has a checksum of its table and its values, and table_sum has the number of rows of
-- each table and the sum of their checksums: see row_sums.rs, where row_sum comes from.
CREATE TABLE table_sum (
    name TEXT PRIMARY KEY,
    rows INTEGER NOT NULL,
    sum  INTEGER NOT NULL
) WITHOUT ROWID;
ALTER TABLE model ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE model SET sum = row_sum('model', id, name, version, windows, created);
ALTER TABLE source ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE source SET sum = row_sum('source', id, model, name);
ALTER TABLE file ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE file SET sum = row_sum('file', source, content, size, partition, path, rows, counted);
ALTER TABLE path ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE path SET sum =
    row_sum('path', source, path, dev, ino, size, mtime_ns, ctime_ns, quarantined, content);
ALTER TABLE file_rows ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE file_rows SET sum = row_sum('file_rows', source, content, start, rows);
ALTER TABLE position ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE position SET sum = row_sum('position', source, partition, position);
ALTER TABLE place ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE place SET sum = row_sum('place', model, window, body);
ALTER TABLE total ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE total SET sum = row_sum('total', model, scope, of, name, value);
ALTER TABLE reference ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
UPDATE reference SET sum = row_sum('reference', model, settings, files);
-- Where values are large, the sum stands before them: whoever drops a row does not read them.
ALTER TABLE reference_part RENAME TO old;
CREATE TABLE reference_part (
    model  INTEGER NOT NULL REFERENCES model,
    number INTEGER NOT NULL,
    sum    INTEGER NOT NULL,
    body   BLOB NOT NULL,
    PRIMARY KEY (model, number)
);
INSERT INTO reference_part
    SELECT model, number, row_sum('reference_part', model, number, body), body FROM old;
DROP TABLE old;
ALTER TABLE pane_delta RENAME TO old;
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
    sum     INTEGER NOT NULL,
    body    BLOB NOT NULL
);
INSERT INTO pane_delta
    SELECT id, model, bucket, slots, rows, level, source, content,
        row_sum('pane_delta', model, bucket, slots, rows, level, source, content, body), body
    FROM old;
DROP TABLE old;
CREATE INDEX pane_delta_pane ON pane_delta (model, bucket, slots, rows);
CREATE INDEX pane_delta_content ON pane_delta (source, content) WHERE content IS NOT NULL;
CREATE INDEX pane_delta_level ON pane_delta (model, level) WHERE content IS NULL;
ALTER TABLE closed_window RENAME TO old;
CREATE TABLE closed_window (
    id      INTEGER PRIMARY KEY AUTOINCREMENT, -- ledger order
    model   INTEGER NOT NULL REFERENCES model,
    window  TEXT NOT NULL,
    slot    INTEGER NOT NULL,
    "end"   INTEGER,
    closed  INTEGER,
    rows    INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    sum     INTEGER NOT NULL,
    figures BLOB NOT NULL
);
INSERT INTO closed_window
    SELECT id, model, window, slot, "end", closed, rows, verdict,
        row_sum('closed_window', model, window, slot, "end", closed, rows, verdict, figures),
        figures
    FROM old;
DROP TABLE old;
CREATE INDEX closed_window_latest ON closed_window (model, window, "end", id);
