//! A socket's two ends: bind(2), listen(2), connect(2), getsockname(2), getpeername(2), shutdown(2), close(2).
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::c_int;
use std::io;

use pyo3::prelude::*;

use super::address;
use super::call::{self, Deadline, First, Trouble};
use super::methods::This;
use super::notes;
use super::raw::{self, Arg, Given, Raised, audit, parse_tuple};
use crate::engine::Descriptor;
use crate::python::reactor;
use crate::sys;
use crate::sys::address::Address;

/// What stock listens with where nothing is said: `SOMAXCONN`, at most 128.
const BACKLOG: c_int = 128;

fn done<'py>(py: Python<'py>, result: io::Result<()>) -> Given<'py> {
    result.map(|()| raw::none(py)).map_err(|error| raw::raise_os(py, &error))
}

pub fn bind<'py>(py: Python<'py>, this: This<'_>, argument: Arg<'_, 'py>) -> Given<'py> {
    let address = address::from_python(py, &this, argument, "bind")?;
    audit!(c"socket.bind", c"OO", this.as_ptr(), argument.as_ptr())?;
    done(py, raw::unlocked(py, || sys::socket::bind(this.descriptor(), &address)))
        .inspect_err(|_| notes::note_address(py, "binding", argument))
}

pub fn listen<'py>(py: Python<'py>, this: This<'_>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut backlog = BACKLOG;
    parse_tuple!(arguments.as_ptr(), c"|i:listen", &raw mut backlog)?;
    done(py, raw::unlocked(py, || sys::socket::listen(this.descriptor(), backlog.max(0))))
}

/// Connects, and waits for the end of it as far as the timeout says.
fn reach(py: Python<'_>, this: This<'_>, address: &Address) -> Result<(), Trouble> {
    let error = match raw::unlocked(py, || sys::socket::connect(this.descriptor(), address)) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    // After a signal the connection goes on being made by itself (connect(2), EINTR).
    let wait = match error.raw_os_error() {
        Some(libc::EINTR) => {
            raw::check_signals(py).map_err(|Raised| Trouble::Raised)?;
            this.timeout() != 0
        }
        Some(libc::EINPROGRESS) => this.timeout() > 0,
        _ => false,
    };
    if !wait {
        return Err(Trouble::Os(error));
    }
    let mut deadline = Deadline::after(this.timeout());
    call::until(py, &this, libc::POLLOUT | libc::POLLERR, First::Always, &mut deadline, |descriptor| {
        match sys::socket::option_int(descriptor, libc::SOL_SOCKET, libc::SO_ERROR)? {
            0 | libc::EISCONN => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    })
}

pub fn connect<'py>(py: Python<'py>, this: This<'_>, argument: Arg<'_, 'py>) -> Given<'py> {
    let address = address::from_python(py, &this, argument, "connect")?;
    audit!(c"socket.connect", c"OO", this.as_ptr(), argument.as_ptr())?;
    reach(py, this, &address).map_err(|trouble| {
        let raised = trouble.raise(py);
        notes::note_address(py, "connecting to", argument);
        raised
    })?;
    Ok(raw::none(py))
}

pub fn connect_ex<'py>(py: Python<'py>, this: This<'_>, argument: Arg<'_, 'py>) -> Given<'py> {
    let address = address::from_python(py, &this, argument, "connect_ex")?;
    audit!(c"socket.connect", c"OO", this.as_ptr(), argument.as_ptr())?;
    let code = match reach(py, this, &address) {
        Ok(()) => 0,
        Err(Trouble::Os(error)) => error.raw_os_error().unwrap_or(libc::EIO),
        Err(Trouble::TimedOut) => libc::EWOULDBLOCK,
        Err(Trouble::Raised) => return Err(Raised),
    };
    raw::int(py, i64::from(code))
}

pub fn getsockname<'py>(py: Python<'py>, this: This<'_>) -> Given<'py> {
    let mut address = address::room_for(py, &this)?;
    sys::socket::local_address(this.descriptor(), &mut address).map_err(|error| raw::raise_os(py, &error))?;
    address::to_python(py, this.descriptor(), &address, this.protocol())
}

pub fn getpeername<'py>(py: Python<'py>, this: This<'_>) -> Given<'py> {
    let mut address = address::room_for(py, &this)?;
    sys::socket::peer_address(this.descriptor(), &mut address).map_err(|error| raw::raise_os(py, &error))?;
    address::to_python(py, this.descriptor(), &address, this.protocol())
}

pub fn shutdown<'py>(py: Python<'py>, this: This<'_>, argument: Arg<'_, 'py>) -> Given<'py> {
    let how = raw::c_int_of(py, argument)?;
    done(py, raw::unlocked(py, || sys::socket::shutdown(this.descriptor(), how)))
}

/// Closes a descriptor; that the peer has reset the connection by now is no failure.
pub fn close_descriptor<'py>(py: Python<'py>, descriptor: i32) -> Given<'py> {
    match raw::unlocked(py, || sys::socket::close(descriptor)) {
        Err(error) if error.raw_os_error() != Some(libc::ECONNRESET) => Err(raw::raise_os(py, &error)),
        _ => Ok(raw::none(py)),
    }
}

pub fn close<'py>(py: Python<'py>, this: This<'_>) -> Given<'py> {
    match this.take_descriptor() {
        -1 => Ok(raw::none(py)),
        descriptor => close_taken(py, descriptor),
    }
}

/// Closes what was taken from a socket; whoever waits for it on an asyncio loop is told first.
pub fn close_taken(py: Python<'_>, descriptor: i32) -> Given<'_> {
    let told = if reactor::any() { reactor::lose(py, Descriptor(descriptor)) } else { Ok(()) };
    let closed = close_descriptor(py, descriptor);
    match told {
        Ok(()) => closed,
        Err(error) => {
            error.restore(py);
            Err(Raised)
        }
    }
}

pub fn detach<'py>(py: Python<'py>, this: This<'_>) -> Given<'py> {
    raw::int(py, i64::from(this.take_descriptor()))
}

pub fn fileno<'py>(py: Python<'py>, this: This<'_>) -> Given<'py> {
    raw::int(py, i64::from(this.descriptor()))
}
