-- The reference as it was profiled, so that a restart does not read its files again.
CREATE TABLE reference (
    model    INTEGER PRIMARY KEY REFERENCES model,
    settings BLOB NOT NULL, -- hash of all else that the profile depends on
    files    TEXT NOT NULL, -- JSON: path, stat and content of each file
    body     BLOB NOT NULL
);
-- Version 1 of the format could not tell rows counted from rows seen. Its windows cannot be shown or
-- gone on with; the ledger stays, so nothing is counted twice.
DELETE FROM pane;
DELETE FROM place;
DELETE FROM closed_window;
-- Only a file of a known size can be a copy. A content is hashed by its extents from here on, so
-- files of version 1 are known by path and stat, and their copies are not.
CREATE INDEX file_size ON file (source, size);
