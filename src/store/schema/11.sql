-- What rules of quality came to in a closed window, as JSON; none where there were no rules.
ALTER TABLE closed_window ADD COLUMN rules TEXT;
