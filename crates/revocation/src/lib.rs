//! The ledger of revoked tokens and cuts, the log that feeds it, and the lease under which it may be trusted.
#![forbid(unsafe_code)]
