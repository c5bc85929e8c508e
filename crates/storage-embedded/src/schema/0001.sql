-- Ids are positive 64-bit integers made elsewhere. Times are seconds since 1970. Positions are numbers of rows of the log.
-- Names are unique within a realm; nothing readable that is secret lies here: digests and wrapped keys only.

CREATE TABLE realms (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    cut_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    settings TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX realms_by_name ON realms (name);

CREATE TABLE apis (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    audience TEXT NOT NULL,
    version INTEGER NOT NULL,
    settings TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX apis_by_audience ON apis (realm, audience);

CREATE TABLE clients (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    client_id TEXT NOT NULL,
    cut_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    settings TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX clients_by_name ON clients (realm, client_id);

CREATE TABLE signing_keys (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    kid TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    cut_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    wrapped_private_key BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX signing_keys_by_kid ON signing_keys (realm, kid);

CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    subject TEXT NOT NULL,
    username TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    cut_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_by_subject ON users (realm, subject);
CREATE UNIQUE INDEX users_by_username ON users (realm, username);

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    user INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    cut_at INTEGER NOT NULL
) STRICT;

CREATE TABLE grants (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    client INTEGER NOT NULL,
    user INTEGER,
    session INTEGER,
    api INTEGER,
    scope TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    cut_at INTEGER NOT NULL,
    refresh_token INTEGER,
    idle_expires_at INTEGER NOT NULL
) STRICT;
-- One standing grant of a client for each API. No API stands for the issuer; ids are positive, so -1 is free for it.
CREATE UNIQUE INDEX standing_grants ON grants (client, ifnull(api, -1)) WHERE user IS NULL;

-- Tokens carry no secondary index: their ids begin with the hour of expiry, so that inserts append and the dead are a range.
CREATE TABLE access_tokens (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    grant_id INTEGER NOT NULL,
    client INTEGER NOT NULL,
    user INTEGER,
    session INTEGER,
    api INTEGER,
    signing_key INTEGER,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    minted_at INTEGER NOT NULL,
    revoked_at INTEGER,
    digest_generation INTEGER,
    digest BLOB,
    scope TEXT NOT NULL
) STRICT;

CREATE TABLE refresh_tokens (
    id INTEGER PRIMARY KEY,
    realm INTEGER NOT NULL,
    grant_id INTEGER NOT NULL,
    client INTEGER NOT NULL,
    user INTEGER,
    session INTEGER,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    minted_at INTEGER NOT NULL,
    revoked_at INTEGER,
    digest_generation INTEGER NOT NULL,
    digest BLOB NOT NULL,
    scope TEXT NOT NULL
) STRICT;

-- The next sequence number that was not handed out yet, for each hour of expiry.
CREATE TABLE id_blocks (
    hour INTEGER PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT;

-- The expiry comes first, so that what can be forgotten is a range.
CREATE TABLE used_assertions (
    expires_at INTEGER NOT NULL,
    client INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (expires_at, client, digest)
) STRICT, WITHOUT ROWID;

CREATE TABLE issued (
    hour INTEGER NOT NULL,
    signing_key INTEGER NOT NULL,
    realm INTEGER NOT NULL,
    api INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, signing_key, realm, api)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- `latest_at` is the largest `at` up to this row: it only grows, also when the wall clock goes back, so that it can be searched.
CREATE TABLE log (
    seq INTEGER PRIMARY KEY,
    link INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    at INTEGER NOT NULL,
    latest_at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    link INTEGER NOT NULL,
    latest_at INTEGER NOT NULL
) STRICT;
INSERT INTO head (id, seq, link, latest_at) VALUES (1, 0, 0, 0);

-- The state of the file itself: whether a process has it open, and up to which hour tokens were forgotten.
CREATE TABLE file_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    in_use INTEGER NOT NULL,
    forgotten_before INTEGER NOT NULL
) STRICT;
INSERT INTO file_state (id, in_use, forgotten_before) VALUES (1, 0, 0);
