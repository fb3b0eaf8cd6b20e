-- What closed windows counted, as files `.profile`, which have checksums of their own.
CREATE TABLE window_profile (
    window INTEGER PRIMARY KEY, -- the id of the closed window
    body   BLOB NOT NULL
);
