-- The revocation feed: whom a row of the log concerns. What is not known concerns everybody.
-- The name is a client_id or kid, as the first half of its SHA-256.
ALTER TABLE log ADD COLUMN realm INTEGER;
ALTER TABLE log ADD COLUMN api INTEGER;
ALTER TABLE log ADD COLUMN name BLOB;
