//! table: stub
