-- Windows that were made the reference of a model, one after the other.
CREATE TABLE accepted_reference (
    model        INTEGER NOT NULL,
    accepted     INTEGER NOT NULL, -- microseconds since 1970
    accepted_by  TEXT,             -- the user, where there are users
    window       TEXT NOT NULL,
    windows      INTEGER NOT NULL, -- how many were added up
    start        INTEGER,          -- event time
    "end"        INTEGER,
    rows         INTEGER NOT NULL,
    in_place_of  TEXT NOT NULL,    -- what reference.path held then
    replaced     BLOB NOT NULL,    -- content of the reference before
    ended        INTEGER,          -- when another reference took its place
    sum          INTEGER NOT NULL,
    PRIMARY KEY (model, accepted)
) WITHOUT ROWID;
