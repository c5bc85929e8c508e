//! Tests of `introspect`.
