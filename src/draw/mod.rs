//! draw: stub
