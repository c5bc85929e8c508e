-- Since when a signing key stands in its state: rotation measures from there.
ALTER TABLE signing_keys ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
UPDATE signing_keys SET changed_at = created_at;
