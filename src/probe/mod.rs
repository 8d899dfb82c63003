//! Probing without sockets: which probe to send when, which answer belongs to it, what it all amounts to.
//!
//! Lives here: sessions on a clock that is an argument ([`Session`]), what they send and see ([`observation`]), and
//! statistics. May not live here: a socket, a clock, a packet's layout.

use crate::engine::Time;

pub mod multipath;
pub mod observation;
pub mod path_mtu;
pub mod payload;
pub mod ping;
pub mod statistics;
pub mod sweep;
pub mod target;
pub mod trace;

use observation::{Observation, Probe, Refusal, Stamp};

/// What a session wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send this, then say how it went by [`Session::sent`] or [`Session::refused`].
    Send(Probe),
    /// Nothing until an observation comes or this point in time.
    Wait(Time),
    /// It is over.
    Done,
}

/// A series of probes with its answers. In four kinds: `poll` and `event` say what to do next and what there is to
/// tell; `sent`, `refused` and `observe` are told what happened.
pub trait Session {
    /// What there is to tell.
    type Event;

    /// What to do now. Ask again after doing it.
    fn poll(&mut self, now: Time) -> Next;

    /// The probe has gone out.
    fn sent(&mut self, probe: &Probe, at: Stamp);

    /// The kernel would not send the probe.
    fn refused(&mut self, probe: &Probe, refusal: Refusal, now: Time);

    /// Something came.
    fn observe(&mut self, observation: Observation);

    /// What there is to tell, oldest first.
    fn event(&mut self) -> Option<Self::Event>;
}
