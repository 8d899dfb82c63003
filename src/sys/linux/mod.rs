//! Linux: each file is one topic of the contract in `sys/mod.rs`.

pub mod clock;
pub mod io;
pub mod poll;
