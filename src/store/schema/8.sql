-- The file that a window was made of; rows of before have none.
ALTER TABLE closed_window ADD COLUMN file TEXT;
DROP VIEW history;
CREATE VIEW history AS
    SELECT m.name AS model, m.version, w.window AS window_name, w.slot, w.file, w.start, w."end",
        w.closed, f.name AS feature_name, f.kind, v.*
    FROM closed_window w
    JOIN model m ON m.id = w.model
    JOIN feature_window v ON v.window = w.id
    JOIN feature f ON f.id = v.feature;
