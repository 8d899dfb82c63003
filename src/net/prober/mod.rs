//! Probing: sockets and clocks for the sessions of [`crate::probe`].
//!
//! A [`Channel`] sends probes of one kind to one host and sees what comes of them; a [`Runner`] lets a session and a
//! channel talk, as an operation. The machines that start from a host's name are built on these.

pub mod crafted;
pub mod datagram;
pub mod echo;
pub mod filter;
pub mod hosted;
pub mod hub;
pub mod identifier;
pub mod link;
pub mod many;
pub mod option;
pub mod path_mtu;
pub mod ping;
pub mod queue;
pub mod raw;
pub mod reach;
mod runner;
pub mod stamp;
pub mod sweep;
pub mod tcp;
pub mod trace;
pub mod udp;

use crate::engine::Wait;
use crate::error::Result;
use crate::probe::observation::{Observation, Probe, Refusal, Stamp};

pub use option::Options;
pub use runner::Runner;

/// Sends probes to one host and sees what comes of them; never waits.
pub trait Channel: Send {
    /// Sends a probe, now.
    fn send(&mut self, probe: &Probe) -> std::result::Result<Stamp, Refusal>;

    /// Gives what has come, as far as there is something.
    fn receive(&mut self, seen: &mut Vec<Observation>) -> Result<()>;

    /// The wait that ends when something comes.
    fn watch(&mut self, wait: Wait) -> Wait;

    /// Nobody waits for it now.
    fn rest(&mut self) {}

    /// Whether it is ready to send; ask again a little later if not.
    fn is_ready(&mut self) -> bool {
        true
    }

    /// Whether it sees packets as they are (raw sockets), or what the kernel makes of them.
    fn is_raw(&self) -> bool;
}
