//! The load generator, the floors and the reports of `cargo xtask bench`.
//!
//! Every figure is a ratio of two servers that take turns on the same core: the product, and a floor that does
//! what cannot be avoided and nothing else. Start with [`generator`] for how load is made and with [`floor`] for
//! what it is compared with.
#![forbid(unsafe_code)]

pub mod bench;
pub mod client;
pub mod connection;
pub mod filler;
pub mod floor;
pub mod generator;
pub mod limits;
pub mod machine;
pub mod peers;
pub mod process;
pub mod product;
pub mod progress;
pub mod report;
pub mod requests;
pub mod response;
pub mod rounds;
pub mod rows;
pub mod schedule;
pub mod statistics;
pub mod validation;
pub mod verification;
