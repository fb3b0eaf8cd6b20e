-- What closed windows left for judging those after them: the last few of each name.
CREATE TABLE window_evidence (
    id     INTEGER PRIMARY KEY,
    model  INTEGER NOT NULL REFERENCES model,
    window TEXT NOT NULL,
    slot   INTEGER NOT NULL,
    sum    INTEGER NOT NULL,
    body   BLOB NOT NULL
);
CREATE INDEX window_evidence_slot ON window_evidence (model, window, slot);
