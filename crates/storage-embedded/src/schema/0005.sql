-- Who has an e-mail address, to whom a link is sent.
CREATE INDEX users_by_email ON users (realm, lower(json_extract(profile, '$.email')));
