//! The only place that waits: drivers, sockets, clocks, names.
//!
//! Everything here is either a machine of [`crate::engine`] that does its I/O through [`crate::sys`] without waiting, or
//! the blocking driver, [`drive`], which waits for any of them.

pub mod client;
pub mod connect;
pub mod datagrams;
pub mod diag;
pub mod dial;
pub mod drive;
pub mod exact;
pub mod framed;
pub mod opening;
pub mod pool;
pub mod prober;
pub mod resolve;
pub mod segments;
pub mod sink;
pub mod stream;
pub mod talk;
pub mod timed;
pub mod tls;
pub mod upgraded;
