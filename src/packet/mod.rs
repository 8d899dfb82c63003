//! packet: stub
