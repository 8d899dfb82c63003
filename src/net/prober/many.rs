//! ICMP echo to very many hosts over one socket: the channel of a sweep, one a family.
//!
//! A probe carries a cookie, the same for the whole sweep, and its serial number; so an answer is known for ours, and
//! for the answer to which probe, whatever else the socket sees.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{SockAddr, Socket};

use super::filter;
use super::identifier::{self, Identifier};
use super::option::{self as common, Options, descriptor};
use super::queue::{SOFT_TRIES, icmp_error, is_soft};
use crate::engine::{Descriptor, Time};
use crate::error::{Error, Result};
use crate::packet::checksum::checksum;
use crate::packet::icmp::{self, Message, Version};
use crate::packet::ip;
use crate::probe::sweep::{Order, Sweep};
use crate::sys::message::{self, Queue};
use crate::sys::option::ReceiveMemory;
use crate::sys::{clock, option, process};

/// Bytes of cookie and serial number.
const LABEL: usize = 8;
/// Bytes of a message that is read.
const LONGEST: usize = 2048;
/// Messages between two looks at the drop counter: so few that what they held cannot be taken for a full buffer.
const AT_ONCE: usize = 16;

/// One family's socket.
pub struct Many {
    /// The process that opened it: a child of fork(2) would take its parent's answers.
    process: u32,
    example: IpAddr,
    options: Options,
    socket: Socket,
    raw: bool,
    version: Version,
    identifier: Option<Identifier>,
    id: u16,
    cookie: u32,
    packet: Vec<u8>,
    buffer: Vec<u8>,
    room: Room,
}

/// Tells answers that were dropped for lack of room from those that were dropped for their checksum: the kernel counts
/// both as one.
#[derive(Debug, Default)]
struct Room {
    /// Bytes read since the last look, by the most that the kernel may have kept for them.
    read: usize,
    /// What the kernel has counted so far.
    counted: u32,
    /// How many of these for lack of room.
    lost: u32,
}

impl Room {
    /// Bytes that the kernel keeps beside a datagram, at the most.
    const BESIDE: usize = 4096;
    /// It is full if there is no room for one more.
    const ONE: usize = 2 * LONGEST + Self::BESIDE;

    fn read(&mut self, length: usize) {
        self.read = self.read.saturating_add(2 * length + Self::BESIDE);
    }

    /// What a full buffer held has been read since, or waits still: if that is less than a buffer, it was never full.
    fn look(&mut self, memory: ReceiveMemory) {
        let fresh = memory.drops.wrapping_sub(self.counted);
        if self.read.saturating_add(memory.queued as usize + Self::ONE) >= memory.limit as usize {
            self.lost = self.lost.wrapping_add(fresh);
        }
        (self.read, self.counted) = (0, memory.drops);
    }
}

impl Many {
    /// Opens the socket for the family of `example`; probes carry `size` bytes, at least 8.
    pub fn open(example: IpAddr, options: &Options, size: usize) -> Result<Self> {
        let target = SocketAddr::new(example, 0);
        let (socket, raw) = common::choose(
            options.privileged,
            || common::raw_socket(target).map(|socket| (socket, true)),
            || common::datagram_socket(target).map(|socket| (socket, false)),
        )?;
        let v6 = target.is_ipv6();
        let version = Version::of(example);
        common::prepare(&socket, target, options, 0)?;
        let fd = descriptor(&socket);
        let set = |result: io::Result<()>| result.map_err(|error| Error::os("setsockopt", &error).at(example));
        set(option::receive_ttl(fd, v6))?;
        // Without stamps a clock is read.
        let _ = option::stamp_arrivals(fd);
        let (identifier, id) = if raw {
            let identifier = Identifier::take()
                .ok_or_else(|| Error::invalid("identifier", "all 65535 ICMP identifiers are in use by this process"))?;
            set(socket.attach_filter(&filter::echo(version, &[identifier.get()])))?;
            let id = identifier.get();
            (Some(identifier), id)
        } else {
            set(option::queue_errors(fd, v6))?;
            (None, common::claim(&socket, target, options)?)
        };
        let cookie = identifier::random() as u32;
        let packet = vec![0; 8 + size.max(LABEL)];
        Ok(Self {
            process: process::generation(),
            example,
            options: Options { privileged: Some(raw), ..options.clone() },
            socket,
            raw,
            version,
            identifier,
            id,
            cookie,
            packet,
            buffer: vec![0; LONGEST],
            room: Room::default(),
        })
    }

    /// In a child of fork(2): a socket of its own, for the old one is the parent's. What was asked before has its answer
    /// there, so that silence says nothing here: as an answer that was lost.
    fn settle(&mut self) -> Result<()> {
        if self.process != process::generation() {
            let lost = self.room.lost.wrapping_add(1);
            *self = Self::open(self.example, &self.options, self.packet.len() - 8)?;
            self.room.lost = lost;
        }
        Ok(())
    }

    /// What to watch.
    pub fn descriptor(&self) -> Descriptor {
        descriptor(&self.socket)
    }

    /// Whether the socket is raw.
    pub fn is_raw(&self) -> bool {
        self.identifier.is_some()
    }

    /// How many answers the kernel has dropped because the receive buffer was full.
    pub fn dropped(&self) -> u32 {
        self.room.lost
    }

    /// Sends a probe and gives the time.
    pub fn send(&mut self, order: &Order) -> io::Result<Time> {
        self.packet[8..12].copy_from_slice(&self.cookie.to_be_bytes());
        self.packet[12..16].copy_from_slice(&order.serial.to_be_bytes());
        // The header has its 8 bytes.
        let _ = icmp::write_echo_request(self.version, &mut self.packet, self.id, order.key);
        let destination = SockAddr::from(SocketAddr::new(order.address, 0));
        let at = clock::now();
        let mut result = message::send(descriptor(&self.socket), &self.packet, Some(&destination), None);
        for _ in 0..SOFT_TRIES {
            if self.raw || !result.as_ref().is_err_and(is_soft) {
                break;
            }
            // It may be what an earlier probe met, which the error queue tells in full.
            let _ = self.socket.take_error();
            result = message::send(descriptor(&self.socket), &self.packet, Some(&destination), None);
        }
        result?;
        Ok(at)
    }

    /// Gives what has come to `sweep`, until there is no more or `most` messages are read; says whether there was no more.
    /// Comes before a send in each step, and so is where a child of fork(2) is noticed.
    pub fn receive(&mut self, sweep: &mut Sweep, most: usize) -> Result<bool> {
        self.settle()?;
        for _ in 0..most.div_ceil(AT_ONCE) {
            let all = self.receive_some(sweep);
            self.room.look(option::receive_memory(self.descriptor()).unwrap_or_default());
            if all? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn receive_some(&mut self, sweep: &mut Sweep) -> Result<bool> {
        // The two clocks side by side: stamps are of the real-time one.
        let (now, real) = (clock::now(), clock::real());
        if !self.raw {
            while let Ok(got) = message::receive(self.descriptor(), &mut self.buffer, Queue::Errors) {
                self.queued(sweep, &got);
            }
        }
        for _ in 0..AT_ONCE {
            let got = match message::receive(self.descriptor(), &mut self.buffer, Queue::Data) {
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if is_soft(&error) => continue,
                Err(error) => return Err(Error::os("recvmsg", &error)),
            };
            self.room.read(got.length);
            let Some(from) = got.address else { continue };
            // How long after `now` it came; before it, as a rule.
            let since = |sent: Time| match got.stamp {
                Some(stamp) if stamp <= real => now.since(sent).saturating_sub(Duration::from_nanos(real - stamp)),
                _ => clock::now().since(sent),
            };
            self.arrived(sweep, &self.buffer[..got.length], from.ip(), got.ttl, since);
        }
        Ok(false)
    }

    fn queued(&self, sweep: &mut Sweep, got: &message::Received) {
        let bytes = &self.buffer[..got.length];
        let (Some(error), &[_, _, _, _, _, _, a, b, ..]) = (got.error, bytes) else { return };
        if let (true, Some(offender)) = (error.is_icmp(), error.offender) {
            let target = got.address.map(|address| address.ip());
            sweep.error(u16::from_be_bytes([a, b]), target, offender, icmp_error(self.version, bytes, &error));
        }
    }

    fn arrived(
        &self,
        sweep: &mut Sweep,
        bytes: &[u8],
        from: IpAddr,
        ttl: Option<u8>,
        since: impl Fn(Time) -> Duration,
    ) {
        let (ttl, bytes) = match (self.raw, self.version) {
            (true, Version::V4) => match ip::parse(bytes) {
                // What it is not for other sockets, where the kernel looks, is no answer here either.
                Some((header, body)) if checksum(body) == 0 => (Some(header.ttl), body),
                _ => return,
            },
            _ => (ttl, bytes),
        };
        match icmp::parse(self.version, bytes) {
            Some(Message::EchoReply(echo)) if echo.identifier == self.id => {
                let &[a, b, c, d, e, f, g, h, ..] = echo.payload else { return };
                if u32::from_be_bytes([a, b, c, d]) == self.cookie {
                    sweep.reply(echo.sequence, u32::from_be_bytes([e, f, g, h]), from, ttl, since);
                }
            }
            Some(Message::Error(error, Some(quoted))) => {
                if let Some((identifier, sequence)) = quoted.echo()
                    && identifier == self.id
                {
                    sweep.error(sequence, Some(quoted.header.destination), from, error);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_count_only_where_the_buffer_may_have_been_full() {
        let memory = |queued, drops| ReceiveMemory { queued, limit: 212_992, drops };
        let mut room = Room::default();
        room.look(memory(0, 3));
        assert_eq!(room.lost, 0, "nothing was read, nothing waits");
        room.look(memory(212_000, 5));
        assert_eq!(room.lost, 2, "it is full now");
        (0..AT_ONCE).for_each(|_| room.read(64));
        room.look(memory(60_000, 7));
        assert_eq!(room.lost, 2, "what was read and what waits do not fill it");
        (0..100).for_each(|_| room.read(64));
        room.look(memory(0, 11));
        assert_eq!(room.lost, 6, "it may have been full before it was read");
        room.look(memory(0, 11));
        room.look(memory(0, 13));
        assert_eq!(room.lost, 6);
    }
}
