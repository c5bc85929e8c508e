//! Tests of `authenticate`.
