-- People: what is known of them, how they signed in, what they agreed to, and the codes that come of it.

ALTER TABLE users ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE users ADD COLUMN profile TEXT NOT NULL DEFAULT '{}';
-- A PHC string of argon2id.
ALTER TABLE users ADD COLUMN password TEXT;

-- A session that no browser has: 32 zero bytes are the digest of no cookie.
ALTER TABLE sessions ADD COLUMN cookie BLOB NOT NULL DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
ALTER TABLE sessions ADD COLUMN minted_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN authenticated_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN methods INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN signed_in_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN idle_expires_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_by_user ON sessions (user);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- The largest time: standing grants have no end.
ALTER TABLE grants ADD COLUMN expires_at INTEGER NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE grants ADD COLUMN authenticated_at INTEGER;
ALTER TABLE grants ADD COLUMN methods INTEGER;
ALTER TABLE grants ADD COLUMN claims TEXT;
ALTER TABLE grants ADD COLUMN previous_refresh_token INTEGER;
ALTER TABLE grants ADD COLUMN rotated_at INTEGER;
ALTER TABLE grants ADD COLUMN sealed_successor BLOB;
CREATE INDEX grants_by_user ON grants (user) WHERE user IS NOT NULL;
CREATE INDEX grants_by_end ON grants (expires_at) WHERE user IS NOT NULL;
CREATE INDEX grants_by_rotation ON grants (rotated_at) WHERE sealed_successor IS NOT NULL;

ALTER TABLE refresh_tokens ADD COLUMN replaced_at INTEGER;

-- As tokens: ids begin with the hour of expiry.
CREATE TABLE authorization_codes (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    grant_id INTEGER NOT NULL,
    client INTEGER NOT NULL,
    user INTEGER NOT NULL,
    session INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    minted_at INTEGER NOT NULL,
    redeemed_at INTEGER,
    digest_generation INTEGER NOT NULL,
    digest BLOB NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_challenge BLOB NOT NULL,
    scope TEXT NOT NULL,
    nonce TEXT
) STRICT;

-- As tokens; the user code is unique as long as the row is there.
CREATE TABLE device_authorizations (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    client INTEGER NOT NULL,
    api INTEGER,
    user_code TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    decided_at INTEGER,
    grant_id INTEGER,
    minted_at INTEGER,
    redeemed_at INTEGER,
    digest_generation INTEGER NOT NULL,
    digest BLOB NOT NULL,
    scope TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX device_authorizations_by_user_code ON device_authorizations (realm, user_code);

-- No API stands for the issuer, as in grants.
CREATE TABLE consents (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    user INTEGER NOT NULL,
    client INTEGER NOT NULL,
    api INTEGER,
    scope TEXT NOT NULL,
    given_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX consents_of_user ON consents (user, client, ifnull(api, -1));
