//! Tests of the crate at its public boundary, mostly by tables. [`vectors`] runs the cases that others wrote.

mod claims;
mod json;
mod jwk;
mod jws;
mod properties;
mod signing;
mod support;
mod vectors;
