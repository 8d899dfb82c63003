//! accept(2), and the memory that spares the next object a system call.

use std::cell::Cell;

use pyo3::prelude::*;

use super::address;
use super::call::{self, Deadline, First};
use super::methods::This;
use super::raw::{self, Given};
use crate::sys;

thread_local! {
    /// The descriptor that this thread accepted last and has not put into an object yet.
    static JUST_ACCEPTED: Cell<i32> = const { Cell::new(-1) };
}

/// Whether this thread has just had `descriptor` from accept(2): then it is a socket, and need not be asked. Once.
pub fn is_just_accepted(descriptor: i32) -> bool {
    JUST_ACCEPTED.replace(-1) == descriptor && descriptor >= 0
}

pub fn accept<'py>(py: Python<'py>, this: This<'_>) -> Given<'py> {
    let mut from = address::room_for(py, &this)?;
    let room = from.length;
    let mut deadline = Deadline::after(this.timeout());
    // AF_ALG has no addresses, and fails where one is asked for.
    let nameless = this.family() == libc::AF_ALG;
    let fresh = call::until(py, &this, call::READABLE, First::Poll, &mut deadline, |descriptor| {
        from.length = room;
        sys::socket::accept(descriptor, (!nameless).then_some(&mut from))
    })
    .map_err(|trouble| trouble.raise(py))?;
    if nameless {
        from.length = 0;
    }
    let pair = raw::tuple(
        py,
        [raw::int(py, i64::from(fresh)), address::to_python(py, this.descriptor(), &from, this.protocol())],
    );
    match &pair {
        Ok(_) => JUST_ACCEPTED.set(fresh),
        Err(_) => drop(sys::socket::close(fresh)),
    }
    pair
}
