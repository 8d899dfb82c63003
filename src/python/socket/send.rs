//! send(2), sendto(2), and sendall, which goes on until all has gone out.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{CStr, c_int};

use pyo3::ffi;
use pyo3::prelude::*;

use super::address;
use super::call::{self, Deadline, First};
use super::memory::View;
use super::methods::This;
use super::notes;
use super::raw::{self, Arg, Given, Kind, Raised, audit, parse_tuple};
use crate::sys;

/// The bytes of an argument: a `bytes` object's own, or a view.
enum Data<'a> {
    Own(&'a [u8]),
    View(View<'a>),
}

impl<'a> Data<'a> {
    /// Nothing, and nothing raised, if the argument has no bytes.
    fn of(py: Python<'_>, argument: Arg<'a, '_>) -> Option<Self> {
        // SAFETY: a live `bytes` does not change, and the caller keeps it for the call.
        unsafe {
            if ffi::PyBytes_CheckExact(argument.as_ptr()) != 0 {
                let length = ffi::PyBytes_Size(argument.as_ptr()).cast_unsigned();
                let start = ffi::PyBytes_AsString(argument.as_ptr());
                return Some(Self::Own(std::slice::from_raw_parts(start.cast(), length)));
            }
        }
        match View::of(argument) {
            Ok(view) => Some(Self::View(view)),
            Err(raised) => {
                raw::forgive(py, raised);
                None
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::View(view) => view.bytes(),
        }
    }
}

/// The data and flags of a call; `format` is `y*|i:NAME`.
fn data_and_flags<'a>(
    py: Python<'_>,
    arguments: &'a [Arg<'_, '_>],
    format: &CStr,
) -> Result<(Data<'a>, c_int), Raised> {
    let flags = match arguments {
        [_] => Some(0),
        [_, flags] => raw::small_c_int(*flags),
        _ => None,
    };
    if let Some(flags) = flags
        && let Some(data) = Data::of(py, arguments[0])
    {
        return Ok((data, flags));
    }
    let tuple = raw::packed(py, arguments)?;
    let (mut view, mut flags) = (View::empty(), 0);
    // SAFETY: the format belongs to the places.
    if unsafe { ffi::PyArg_ParseTuple(tuple.as_ptr(), format.as_ptr(), view.as_mut_ptr(), &raw mut flags) } == 0 {
        return Err(Raised);
    }
    Ok((Data::View(view), flags))
}

pub fn send<'py>(py: Python<'py>, this: This<'_>, arguments: &[Arg<'_, 'py>]) -> Given<'py> {
    let (data, flags) = data_and_flags(py, arguments, c"y*|i:send")?;
    let sent = call::once_brief(py, &this, call::WRITABLE, flags, data.bytes().len(), |descriptor, flags| {
        sys::socket::send(descriptor, data.bytes(), flags)
    })?;
    raw::int(py, sent as i64)
}

pub fn sendall<'py>(py: Python<'py>, this: This<'_>, arguments: &[Arg<'_, 'py>]) -> Given<'py> {
    let (data, flags) = data_and_flags(py, arguments, c"y*|i:sendall")?;
    let bytes = data.bytes();
    let mut sent = 0;
    let result = send_all(py, this, bytes, flags, &mut sent);
    match result {
        Ok(()) => Ok(raw::none(py)),
        Err(raised) => {
            notes::note_sent(py, sent);
            Err(raised)
        }
    }
}

fn send_all(py: Python<'_>, this: This<'_>, bytes: &[u8], flags: c_int, sent: &mut usize) -> Result<(), Raised> {
    let mut deadline = Deadline::after(this.timeout());
    let mut all = |descriptor, flags| sys::socket::send(descriptor, bytes, flags);
    if let Some(result) = call::brief(py, &this, call::WRITABLE, flags, bytes.len(), &mut all) {
        *sent = result?;
        raw::check_signals(py)?;
        if *sent >= bytes.len() {
            return Ok(());
        }
    }
    let flags = if deadline.is_set() { flags | libc::MSG_DONTWAIT } else { flags };
    loop {
        let rest = &bytes[*sent..];
        *sent += call::until(py, &this, call::WRITABLE, First::Call, &mut deadline, |descriptor| {
            sys::socket::send(descriptor, rest, flags)
        })
        .map_err(|trouble| trouble.raise(py))?;
        // A signal that comes after some bytes have gone out does not fail the call, so it is looked for here.
        raw::check_signals(py)?;
        if *sent >= bytes.len() {
            return Ok(());
        }
        deadline.start();
        if deadline.has_passed() {
            return Err(call::Trouble::TimedOut.raise(py));
        }
    }
}

pub fn sendto<'py>(py: Python<'py>, this: This<'_>, arguments: &[Arg<'_, 'py>]) -> Given<'py> {
    let fast = match arguments {
        [data, address] => Data::of(py, *data).map(|data| (data, 0, *address)),
        [data, flags, address] => {
            raw::small_c_int(*flags).and_then(|flags| Data::of(py, *data).map(|data| (data, flags, *address)))
        }
        _ => None,
    };
    let (data, flags, address) = match fast {
        Some(values) => values,
        None => {
            let mut view = View::empty();
            let mut flags: c_int = 0;
            let mut address: *mut ffi::PyObject = std::ptr::null_mut();
            let tuple = raw::packed(py, arguments)?;
            match arguments.len() {
                2 => parse_tuple!(tuple.as_ptr(), c"y*O:sendto", view.as_mut_ptr(), &raw mut address)?,
                3 => {
                    parse_tuple!(tuple.as_ptr(), c"y*iO:sendto", view.as_mut_ptr(), &raw mut flags, &raw mut address)?;
                }
                given => {
                    let text = format!("sendto() takes 2 or 3 arguments ({given} given)");
                    return Err(raw::raise_text(py, Kind::Type, &text));
                }
            }
            (Data::View(view), flags, arguments[arguments.len() - 1])
        }
    };
    let to = address::from_python(py, &this, address, "sendto")?;
    audit!(c"socket.sendto", c"OO", this.as_ptr(), address.as_ptr())?;
    let sent = call::once_brief(py, &this, call::WRITABLE, flags, data.bytes().len(), |descriptor, flags| {
        sys::socket::send_to(descriptor, data.bytes(), flags, &to)
    })?;
    raw::int(py, sent as i64)
}
