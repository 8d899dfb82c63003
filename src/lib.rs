//! Sockets you can see: the core of the Python package `eyesocket`, usable from Rust without Python.
//!
//! The layers, lowest first; a module names only what stands above it in this list:
//!
//! 1. [`error`]: what can go wrong, and whose fault it was.
//! 2. [`engine`]: what a waiting operation is. It says what it waits for and never waits.
//! 3. [`packet`], [`framing`]: bytes in, values out.
//! 4. [`http`], [`tcp`]; then [`probe`], [`table`]: protocols without sockets (sans-IO), on a clock that is an argument.
//! 5. [`draw`]: what happened, as Mermaid, SVG and Unicode text.
//! 6. [`sys`]: the only system calls and the only `unsafe`.
//! 7. [`net`]: the only place that waits: sockets, clocks, names, TLS.
//! 8. `python`: the only place that knows Python (feature `python`).
//!
//! `tests/layers.rs` proves this order from the sources.

pub mod draw;
pub mod engine;
pub mod error;
pub mod framing;
pub mod http;
pub mod net;
pub mod packet;
pub mod probe;
#[cfg(feature = "python")]
mod python;
pub mod sys;
pub mod table;
pub mod tcp;
