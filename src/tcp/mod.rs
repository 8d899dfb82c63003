//! tcp: stub
