//! Tests of `issue`.
