//! The only place that waits: drivers, sockets, clocks, names.
//!
//! Everything here is either a machine of [`crate::engine`] that does its I/O through [`crate::sys`] without waiting, or
//! the blocking driver, [`drive`], which waits for any of them.

pub mod diag;
pub mod drive;
pub mod exact;
pub mod resolve;
