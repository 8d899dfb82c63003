//! probe: stub
