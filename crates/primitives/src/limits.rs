//! Every limit of the product, by name. A loop without a bound is a bug that waits for its attacker.

use std::time::Duration;

/// Longest compact JWT that is looked at, in bytes.
pub const JWT_BYTES_MAX: usize = 16 * 1024;
/// Longest JOSE header after decoding, in bytes.
pub const JOSE_HEADER_BYTES_MAX: usize = 4 * 1024;
/// Deepest nesting of JSON from outside.
pub const JSON_DEPTH_MAX: usize = 32;
/// Most members of one JSON object from outside.
pub const JSON_MEMBERS_MAX: usize = 256;
/// Longest `kid`, in bytes.
pub const KID_BYTES_MAX: usize = 256;
/// Keys tried for a token without `kid`.
pub const KEYS_TRIED_MAX: usize = 8;
/// Most keys of one JWK Set.
pub const JWKS_KEYS_MAX: usize = 64;
/// Largest JWK Set document, in bytes.
pub const JWKS_BYTES_MAX: usize = 512 * 1024;
/// For how long anybody may keep our JWK Set, in seconds: a new key is published for longer than this before it signs.
pub const JWKS_SECONDS_MAX: u64 = 300;
/// How much longer a new key is published before it signs, in seconds: a fetch that began just before it may be slow.
pub const JWKS_MARGIN_SECONDS: u64 = 60;
/// How much longer a key stays published than its last token lives, in seconds: as far as the forgetting mark may be set ahead at once.
pub const KEY_RETIREMENT_MARGIN_SECONDS: u64 = 3_600;

/// Largest request body on the public listener, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// All request bodies that have arrived in part, in bytes; who sends one beyond it is told to come later (S25).
pub const UNFINISHED_BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The longest body of an administrator's operation (S25).
pub const ADMIN_BODY_BYTES_MAX: usize = 1024 * 1024;
/// Largest request head (request line and header fields), in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most header fields of one request.
pub const HEADER_FIELDS_MAX: usize = 64;
/// Most parameters of one form.
pub const FORM_PARAMETERS_MAX: usize = 64;
/// Longest token string that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Longest `client_id`, in bytes.
pub const CLIENT_ID_BYTES_MAX: usize = 256;
/// Longest client secret that is looked at, in bytes.
pub const CLIENT_SECRET_BYTES_MAX: usize = 1024;
/// Most scopes of one request.
pub const SCOPES_MAX: usize = 64;
/// Longest single scope, in bytes.
pub const SCOPE_BYTES_MAX: usize = 128;
/// Most `resource` parameters of one request.
pub const RESOURCES_MAX: usize = 8;
/// Longest `state` that is given back, in bytes.
pub const STATE_BYTES_MAX: usize = 4_096;
/// Longest `nonce` that is kept, in bytes.
pub const NONCE_BYTES_MAX: usize = 512;
/// The longest authorization request that a browser carries from page to page, sealed: it stands in an address, beside cookies.
pub const CARRIED_REQUEST_BYTES_MAX: usize = 12 * 1024;
/// Longest redirect address, in bytes.
pub const REDIRECT_URI_BYTES_MAX: usize = 2_048;
/// Longest password that is looked at, in bytes (S9).
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Most second factors of one person.
pub const FACTORS_MAX: usize = 16;
/// Longest name of a second factor, in characters.
pub const FACTOR_NAME_CHARACTERS_MAX: usize = 64;
/// How many recovery codes are made at once.
pub const RECOVERY_CODES: usize = 10;
/// Longest code of a second factor that is looked at, in bytes.
pub const FACTOR_CODE_BYTES_MAX: usize = 64;
/// Longest answer of a passkey that is looked at, in bytes.
pub const CREDENTIAL_BYTES_MAX: usize = 32 * 1024;
/// Longest credential id, in bytes (Web Authentication §4).
pub const CREDENTIAL_ID_BYTES_MAX: usize = 1_023;
/// Longest public key of a passkey, in bytes.
pub const CREDENTIAL_KEY_BYTES_MAX: usize = 2_048;
/// Deepest nesting of CBOR from outside.
pub const CBOR_DEPTH_MAX: usize = 8;
/// How long a person may take for a second factor, in seconds.
pub const SECOND_FACTOR_SECONDS_MAX: u64 = 600;
/// Longest lifetime of a client assertion, in seconds.
pub const CLIENT_ASSERTION_SECONDS_MAX: u64 = 300;
/// Clock difference granted to the maker of a client assertion, in seconds.
pub const CLIENT_ASSERTION_LEEWAY_SECONDS: u64 = 10;

/// For how long the ledger remembers a cut, and a revocation at the most, in seconds. A token that lives longer cannot be judged by
/// the ledger alone.
pub const REVOCATION_HORIZON_SECONDS: u64 = 24 * 3_600;

/// Longest DPoP proof that is looked at, in bytes.
pub const DPOP_PROOF_BYTES_MAX: usize = 8 * 1024;
/// Longest `jti` of a DPoP proof, in bytes.
pub const DPOP_JTI_BYTES_MAX: usize = 256;
/// How old a DPoP proof may be, in seconds.
pub const DPOP_AGE_SECONDS_MAX: u64 = 60;
/// How far ahead of now a DPoP proof may be made, in seconds: clocks of clients differ.
pub const DPOP_AHEAD_SECONDS_MAX: u64 = 10;
/// For how long a DPoP nonce is given out, in seconds; it is good for as long again.
pub const DPOP_NONCE_SECONDS: u64 = 60;
/// Most clock difference that a validator may grant, in seconds.
pub const LEEWAY_SECONDS_MAX: u64 = 60;
/// Longest address that a DPoP proof may name, in bytes.
pub const HTU_BYTES_MAX: usize = 4 * 1024;

/// How far the wall clocks of two nodes may lie apart, in seconds; checked when a node joins.
pub const NODE_CLOCK_DIFFERENCE_SECONDS: u64 = 2;
/// How far the forgetting mark may lag behind what was issued last, in seconds: two rounds of housekeeping. When the wall clock goes
/// back, time stands at the mark, and what was issued in this lag is good all the same.
pub const MARK_LAG_SECONDS: u64 = 10;
/// How far ahead of now a token's time of issue may lie, in seconds.
pub const ISSUED_AHEAD_SECONDS_MAX: u64 = NODE_CLOCK_DIFFERENCE_SECONDS + MARK_LAG_SECONDS;

/// Time for the head of a request to arrive.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest pause within a request body.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time from the head of a request to its answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest pause while a client reads our answer.
pub const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time a connection may stay open between requests.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);
/// Time for a TLS handshake.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most open connections of one listener.
pub const CONNECTIONS_MAX: usize = 12_000;
/// Most open connections of one client address.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 512;
/// Most concurrent streams of one HTTP/2 connection.
pub const HTTP2_STREAMS_MAX: u32 = 100;
/// Most HTTP/2 frames that are no request (SETTINGS, PING, WINDOW_UPDATE, PRIORITY, unknown ones) that a client may send at once.
pub const HTTP2_OTHER_FRAMES_MAX: u32 = 1_000;
/// Longest time that a stop waits for requests in flight.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest time that `lydian login` waits for the browser.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest time that `lydian login --device` waits, whatever the server says.
pub const DEVICE_WAIT_MAX: Duration = Duration::from_secs(1_800);

/// Most errands that wait for the mail server, and most letters that are on their way at once.
pub const MAIL_QUEUE_MAX: usize = 1_000;
/// Most connections to the mail server at once.
pub const MAIL_CONNECTIONS_MAX: usize = 4;
/// Longest time that the mail server may take for one letter.
pub const MAIL_SEND_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest time that a stop waits for mail that was promised.
pub const MAIL_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Most changes that one commit of the embedded store carries.
pub const COMMIT_BATCH_MAX: usize = 512;
/// Most changes that wait for the writer; beyond it a change is refused as unavailable.
pub const COMMIT_QUEUE_MAX: usize = 4096;
/// Most records of one page of a listing.
pub const PAGE_MAX: usize = 1_000;
/// How often a decision is made anew after a conflict.
pub const CONFLICT_RETRIES_MAX: usize = 4;
/// Rows that one step of the cleanup deletes.
pub const FORGET_ROWS_MAX: usize = 1_000;

/// Most events of one batch of the revocation feed.
pub const FEED_BATCH_EVENTS_MAX: usize = 1_000;
/// Longest line of the revocation feed that a subscriber reads, in bytes: a batch of the most events.
pub const FEED_LINE_BYTES_MAX: usize = 256 * 1024;
/// Rows of the log that are kept for subscribers who come back; who missed more loads a snapshot.
pub const FEED_ROWS_MAX: usize = 65_536;
/// Most streams of the revocation feed that are open at once.
pub const FEED_STREAMS_MAX: usize = 4_096;
/// Most streams of one API.
pub const FEED_STREAMS_PER_API_MAX: usize = 256;
/// Most snapshots that are sent at once.
pub const FEED_SNAPSHOTS_MAX: usize = 64;
/// Most validators that hold a lease at once.
pub const FEED_VALIDATORS_MAX: usize = 16_384;
/// Most validators of one API that hold a lease at once.
pub const FEED_VALIDATORS_PER_API_MAX: usize = 1_024;
/// For how long revocations are collected before they are sent together.
pub const FEED_BATCH_INTERVAL: Duration = Duration::from_millis(25);
/// How often a stream without events says how far it is.
pub const FEED_HEARTBEAT: Duration = Duration::from_secs(5);
/// Longest time in which a subscriber takes nothing of its stream.
pub const FEED_STALL: Duration = Duration::from_secs(10);
/// Longest time that a revocation waits for validators, whatever it prefers.
pub const FEED_WAIT_MAX: Duration = Duration::from_secs(10);
