//! What the product must answer after any story: a reference model, and stories that product and model live through together.
//!
//! A story is a list of operations, drawn from a seed: clients ask and revoke, administrators cut, disable, delete and rotate, time
//! passes, the store fails, the server stops or crashes. [`live`] tells one to the use cases over the real embedded store, and after
//! each step compares what introspection answers with what the rules say ([`reference`]). Start there.
#![forbid(unsafe_code)]

pub mod names;
pub mod operation;
pub mod possible;
pub mod reference;
mod stage;
mod story;

pub use story::{Broken, Lived, draw, live, minimal};
