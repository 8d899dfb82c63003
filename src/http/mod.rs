//! http: stub
