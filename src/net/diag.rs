//! Asking the kernel for its sockets, and a socket for its state.
//!
//! sock_diag(7) answers for the network namespace of the calling thread. A listing is not a snapshot: sockets come and go
//! while the kernel walks its tables.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::engine::{Descriptor, Operation, Step, Time, Wait};
use crate::error::{Cause, Error, Result};
use crate::sys;
use crate::table::netlink::Query;
use crate::table::{Filter, Row};
use crate::tcp::State;

/// More than the kernel ever puts into one datagram of an answer.
const BUFFER: usize = 64 * 1024;

/// Lists the sockets that some questions ask for and a filter lets through, in the order of the questions.
#[derive(Debug)]
pub struct Listing {
    questions: VecDeque<Query>,
    filter: Filter,
    socket: Option<OwnedFd>,
    asked: bool,
    sequence: u32,
    buffer: Vec<u8>,
    answer: Vec<Row>,
    rows: Vec<Row>,
    names: HashMap<u32, Option<String>>,
}

impl Listing {
    /// A listing of what `questions` ask for, as far as `filter` lets it through.
    pub fn new(questions: impl IntoIterator<Item = Query>, filter: Filter) -> Self {
        Self {
            questions: questions.into_iter().collect(),
            filter,
            socket: None,
            asked: false,
            sequence: 1,
            buffer: vec![0; BUFFER],
            answer: Vec::new(),
            rows: Vec::new(),
            names: HashMap::new(),
        }
    }

    fn keep_answer(&mut self) {
        for mut row in self.answer.drain(..) {
            if !self.filter.passes(&row) {
                continue;
            }
            if row.interface != 0 {
                let index = row.interface;
                row.interface_name =
                    self.names.entry(index).or_insert_with(|| sys::netlink::interface_name(index)).clone();
            }
            self.rows.push(row);
        }
    }
}

impl Operation for Listing {
    type Output = Vec<Row>;

    fn step(&mut self, _now: Time) -> Result<Step<Vec<Row>>> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => sys::netlink::open().map_err(|error| Error::os("sock_diag", &error))?,
        };
        let socket = self.socket.insert(socket);
        let descriptor = Descriptor(socket.as_raw_fd());
        while let Some(question) = self.questions.front() {
            let attempt = if self.asked {
                sys::netlink::recv(socket, &mut self.buffer)
            } else {
                sys::io::send(descriptor, &question.request(self.sequence))
            };
            let length = match attempt {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let wait = if self.asked { Wait::readable(descriptor) } else { Wait::writable(descriptor) };
                    return Ok(Step::Wait(wait));
                }
                Err(error) => return Err(Error::os("sock_diag", &error)),
            };
            if !self.asked {
                self.asked = true;
                continue;
            }
            let datagram = self.buffer.get(..length).ok_or_else(|| {
                let (length, limit) = (length as u64, BUFFER as u64);
                Error::new("sock_diag", Cause::TooLarge { what: "sock_diag answer", length, limit })
            })?;
            if question.read(self.sequence, datagram, &mut self.answer)? {
                self.questions.pop_front();
                self.asked = false;
                self.sequence += 1;
            }
        }
        self.keep_answer();
        Ok(Step::Done(std::mem::take(&mut self.rows)))
    }
}

/// The state of the TCP socket `descriptor`, by `TCP_INFO`.
pub fn state(descriptor: Descriptor) -> Result<State> {
    let number = sys::tcp::state(descriptor).map_err(|error| match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::ENOPROTOOPT) => {
            Error::invalid("sock", "this is not a TCP socket; only those have a state by TCP_INFO (tcp(7))")
        }
        _ => Error::os("getsockopt", &error),
    })?;
    State::from_linux(number)
        .ok_or_else(|| Error::malformed("tcp_info", format!("state {number} is unknown to this version")))
}
