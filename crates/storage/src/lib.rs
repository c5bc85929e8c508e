//! The seam to the store: single reads and one conditional write, and the suite that every backend passes.
#![forbid(unsafe_code)]
