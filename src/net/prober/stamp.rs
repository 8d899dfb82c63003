//! Kernel stamps: which departure stamp belongs to which probe, and whether the kernel stamps yet.

use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use crate::engine::Descriptor;
use crate::sys::message::{self, Queue};
use crate::sys::option;

/// Stamps that never came (dropped with a full queue) are not waited for beyond so many probes.
const KEPT: usize = 1024;

/// Which departure stamp is whose: the kernel numbers what goes out of a socket.
#[derive(Debug)]
pub struct Departures<K> {
    next: u32,
    keys: VecDeque<(u32, K)>,
}

impl<K> Default for Departures<K> {
    fn default() -> Self {
        Self { next: 0, keys: VecDeque::new() }
    }
}

impl<K: Copy> Departures<K> {
    /// Switches the stamps of a socket on; none where the system has none.
    pub fn start(descriptor: Descriptor) -> Option<Self> {
        option::stamp(descriptor).is_ok().then(Self::default)
    }

    /// Starts the numbering anew: after a send that failed, the kernel's may have moved on.
    pub fn restart(descriptor: Descriptor) -> Option<Self> {
        option::stop_stamps(descriptor).ok().and_then(|()| Self::start(descriptor))
    }

    /// A probe has gone out.
    pub fn sent(&mut self, key: K) {
        self.keys.push_back((self.next, key));
        self.next = self.next.wrapping_add(1);
        if self.keys.len() > KEPT {
            self.keys.pop_front();
        }
    }

    /// The probe of the stamp with that number.
    pub fn key(&self, number: u32) -> Option<K> {
        self.keys.iter().rev().find(|&&(sent, _)| sent == number).map(|&(_, key)| key)
    }
}

/// The kernel begins to stamp arrivals some time after the first socket asks for it (a job in the background), and says
/// nothing of it. This asks for it and finds out, by datagrams from a loopback socket to itself.
pub struct Warmth {
    socket: UdpSocket,
    tries: u32,
}

impl Warmth {
    /// Asks for stamps; none where it cannot be found out.
    pub fn new() -> Option<Self> {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).ok()?;
        socket.connect(socket.local_addr().ok()?).ok()?;
        socket.set_nonblocking(true).ok()?;
        option::stamp(Descriptor(socket.as_raw_fd())).ok()?;
        Some(Self { socket, tries: 0 })
    }

    /// Whether arrivals are stamped by now, where that is waited for; it is not waited for again.
    pub fn reach(warmth: &mut Option<Self>) -> bool {
        let ready = warmth.as_mut().is_none_or(Self::is_reached);
        if ready {
            *warmth = None;
        }
        ready
    }

    /// Whether arrivals are stamped by now; after 50 tries, whatever the truth.
    fn is_reached(&mut self) -> bool {
        self.tries += 1;
        self.tries > 50 || self.stamped().unwrap_or(true)
    }

    fn stamped(&self) -> io::Result<bool> {
        let descriptor = Descriptor(self.socket.as_raw_fd());
        let mut byte = [0];
        // Departures of before.
        while message::receive(descriptor, &mut byte, Queue::Errors).is_ok() {}
        self.socket.send(&[0])?;
        Ok(message::receive(descriptor, &mut byte, Queue::Data)?.stamp.is_some())
    }
}
