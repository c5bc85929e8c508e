-- Who has an e-mail address, to whom a link is sent.
CREATE INDEX users_by_email ON users (realm, lower(json_extract(profile, '$.email')));

-- Second factors of people. What only grows is the last accepted step of an authenticator app, or the counter of a passkey.
CREATE TABLE factors (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    user INTEGER NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    mark INTEGER NOT NULL,
    -- An authenticator app has a sealed key, a passkey has the rest.
    sealed_key BLOB,
    credential BLOB,
    public_key BLOB,
    transports TEXT,
    is_copied INTEGER,
    is_discoverable INTEGER
) STRICT;
CREATE INDEX factors_by_user ON factors (user);
CREATE UNIQUE INDEX factors_by_credential ON factors (realm, credential) WHERE credential IS NOT NULL;

-- Digests; a code that was used has no row.
CREATE TABLE recovery_codes (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    user INTEGER NOT NULL,
    digest BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX recovery_codes_of_user ON recovery_codes (user, digest);

-- The revocation feed: whom a row of the log concerns. What is not known concerns everybody.
-- The name is a client_id or kid, as the first half of its SHA-256.
ALTER TABLE log ADD COLUMN realm INTEGER;
ALTER TABLE log ADD COLUMN api INTEGER;
ALTER TABLE log ADD COLUMN name BLOB;
