//! The revocation feed: streams, snapshots, leases, and what they prove.

mod bound;
mod callers;
mod cuts;
mod faults;
mod leases;
mod snapshots;
mod streams;
mod support;
mod waiting;
