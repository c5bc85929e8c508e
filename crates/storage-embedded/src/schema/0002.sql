-- Names that belonged to deleted records. They are never given again: what was issued under them must not find a new owner.
-- `kind` is 1 for the audience of an API, 2 for a client_id, 3 for the name of a realm, whose `realm` is 0.
CREATE TABLE retired_names (
    realm INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (realm, kind, name)
) STRICT, WITHOUT ROWID;
