//! recv(2), recvfrom(2) and their variants that fill a buffer.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::cell::Cell;
use std::ffi::{CStr, c_int};

use pyo3::ffi;
use pyo3::prelude::*;

use super::address;
use super::call;
use super::memory::{NewBytes, View};
use super::methods::This;
use super::raw::{self, Arg, Given, Kind, Raised, parse_keywords};
use crate::sys;
use crate::sys::address::{Address, Room};

/// Up to this size a `bytes` object costs less than the detour over [`Scratch`].
const SMALL: usize = 512;
/// The largest request that takes the detour.
const SCRATCH: usize = 65536;
/// A message that is larger than this is received into its own object the next time.
const COPIED: usize = 4096;

/// Memory of this thread for large requests that small messages answer: allocating the whole room and giving most of it
/// back costs more than copying a little.
struct Scratch {
    room: Cell<Option<Box<Room>>>,
    messages_are_small: Cell<bool>,
}

thread_local! {
    static SCRATCH_ROOM: Scratch = const { Scratch { room: Cell::new(None), messages_are_small: Cell::new(true) } };
}

/// Receives up to `length` bytes by `receive` into a new `bytes`.
fn into_bytes<'py>(
    py: Python<'py>,
    length: usize,
    flags: c_int,
    receive: impl FnOnce(&mut Room) -> Result<usize, Raised>,
) -> Given<'py> {
    if flags & libc::MSG_TRUNC != 0 {
        let mut bytes = NewBytes::zeros(py, length)?;
        let filled = receive(bytes.room())?;
        return bytes.finish(filled);
    }
    let detour = length > SMALL && length <= SCRATCH && SCRATCH_ROOM.with(|scratch| scratch.messages_are_small.get());
    if !detour {
        let mut bytes = NewBytes::new(py, length)?;
        let filled = receive(bytes.room())?;
        SCRATCH_ROOM.with(|scratch| scratch.messages_are_small.set(filled <= COPIED));
        return bytes.finish(filled);
    }
    // Out of its place while it is used: a signal handler may come here again.
    let taken = SCRATCH_ROOM.with(|scratch| scratch.room.take());
    let mut room = taken.unwrap_or_else(|| Box::new_uninit_slice(SCRATCH));
    let received = receive(&mut room[..length]).and_then(|filled| {
        // SAFETY: the kernel has written the first `filled` bytes.
        let bytes = raw::bytes(py, unsafe { std::slice::from_raw_parts(room.as_ptr().cast(), filled.min(length)) })?;
        SCRATCH_ROOM.with(|scratch| scratch.messages_are_small.set(filled <= COPIED));
        Ok(bytes)
    });
    SCRATCH_ROOM.with(|scratch| scratch.room.set(Some(room)));
    received
}

/// The call's size and flags; `format` is `n|i:NAME`.
fn size_and_flags(
    py: Python<'_>,
    arguments: &[Arg<'_, '_>],
    format: &CStr,
    negative: &CStr,
) -> Result<(usize, c_int), Raised> {
    let fast = match arguments {
        [size] => raw::small_int(*size).map(|size| (size as isize, 0)),
        [size, flags] => raw::small_int(*size).map(|size| size as isize).zip(raw::small_c_int(*flags)),
        _ => None,
    };
    let (mut size, mut flags) = (0_isize, 0);
    match fast {
        Some(values) => (size, flags) = values,
        None => {
            let tuple = raw::packed(py, arguments)?;
            // SAFETY: the format belongs to the places.
            if unsafe { ffi::PyArg_ParseTuple(tuple.as_ptr(), format.as_ptr(), &raw mut size, &raw mut flags) } == 0 {
                return Err(Raised);
            }
        }
    }
    let size = usize::try_from(size).map_err(|_| raw::raise(py, Kind::Value, negative))?;
    Ok((size, flags))
}

fn receive(py: Python<'_>, this: This<'_>, room: &mut Room, flags: c_int) -> Result<usize, Raised> {
    if room.is_empty() {
        return Ok(0);
    }
    call::once_brief(py, &this, call::READABLE, flags, room.len(), |descriptor, flags| {
        sys::socket::receive(descriptor, room, flags)
    })
}

fn receive_from(
    py: Python<'_>,
    this: This<'_>,
    room: &mut Room,
    flags: c_int,
    from: &mut Address,
) -> Result<usize, Raised> {
    let length = from.length;
    call::once_brief(py, &this, call::READABLE, flags, room.len(), |descriptor, flags| {
        from.length = length;
        sys::socket::receive_from(descriptor, room, flags, from)
    })
}

pub fn recv<'py>(py: Python<'py>, this: This<'_>, arguments: &[Arg<'_, 'py>]) -> Given<'py> {
    let (size, flags) = size_and_flags(py, arguments, c"n|i:recv", c"negative buffersize in recv")?;
    into_bytes(py, size, flags, |room| receive(py, this, room, flags))
}

pub fn recvfrom<'py>(py: Python<'py>, this: This<'_>, arguments: &[Arg<'_, 'py>]) -> Given<'py> {
    let (size, flags) = size_and_flags(py, arguments, c"n|i:recvfrom", c"negative buffersize in recvfrom")?;
    let mut from = None;
    let bytes = into_bytes(py, size, flags, |room| {
        let mut address = address::room_for(py, &this)?;
        let filled = receive_from(py, this, room, flags, &mut address)?;
        from = Some(address);
        Ok(filled)
    })?;
    let Some(from) = from else { return Err(Raised) };
    raw::tuple(py, [Ok(bytes), address::to_python(py, this.descriptor(), &from, this.protocol())])
}

/// The arguments of the variants that fill a buffer: a view to write to, a size and flags.
struct Into<'a> {
    view: View<'a>,
    size: isize,
    flags: c_int,
}

fn into_arguments<'a>(
    py: Python<'_>,
    arguments: &'a [Arg<'_, '_>],
    names: *mut ffi::PyObject,
    format: &CStr,
) -> Result<Into<'a>, Raised> {
    if names.is_null() {
        let rest = match arguments {
            [_] => Some((0, 0)),
            [_, size] => raw::small_int(*size).map(|size| (size as isize, 0)),
            [_, size, flags] => raw::small_int(*size).map(|size| size as isize).zip(raw::small_c_int(*flags)),
            _ => None,
        };
        if let Some((size, flags)) = rest {
            match View::writable(arguments[0]) {
                Ok(view) => return Ok(Into { view, size, flags }),
                Err(raised) => raw::forgive(py, raised),
            }
        }
    }
    let (tuple, keywords) = raw::packed_with_keywords(py, arguments, names)?;
    let mut into = Into { view: View::empty(), size: 0, flags: 0 };
    let keywords = keywords.map_or(std::ptr::null_mut(), |keywords| keywords.as_ptr());
    parse_keywords!(
        tuple.as_ptr(),
        keywords,
        format,
        [c"buffer", c"nbytes", c"flags"],
        into.view.as_mut_ptr(),
        &raw mut into.size,
        &raw mut into.flags
    )?;
    Ok(into)
}

pub fn recv_into<'py>(
    py: Python<'py>,
    this: This<'_>,
    arguments: &[Arg<'_, 'py>],
    names: *mut ffi::PyObject,
) -> Given<'py> {
    let Into { mut view, size, flags } = into_arguments(py, arguments, names, c"w*|ni:recv_into")?;
    let room = view.room();
    let size = match usize::try_from(size) {
        Ok(0) => room.len(),
        Ok(size) => size,
        Err(_) => return Err(raw::raise(py, Kind::Value, c"negative buffersize in recv_into")),
    };
    if room.len() < size {
        return Err(raw::raise(py, Kind::Value, c"buffer too small for requested bytes"));
    }
    let filled = receive(py, this, &mut room[..size], flags)?;
    raw::int(py, filled as i64)
}

pub fn recvfrom_into<'py>(
    py: Python<'py>,
    this: This<'_>,
    arguments: &[Arg<'_, 'py>],
    names: *mut ffi::PyObject,
) -> Given<'py> {
    let Into { mut view, size, flags } = into_arguments(py, arguments, names, c"w*|ni:recvfrom_into")?;
    let room = view.room();
    let size = match usize::try_from(size) {
        Ok(0) => room.len(),
        Ok(size) => size,
        Err(_) => return Err(raw::raise(py, Kind::Value, c"negative buffersize in recvfrom_into")),
    };
    if size > room.len() {
        return Err(raw::raise(py, Kind::Value, c"nbytes is greater than the length of the buffer"));
    }
    let mut from = address::room_for(py, &this)?;
    let filled = receive_from(py, this, &mut room[..size], flags, &mut from)?;
    raw::tuple(py, [raw::int(py, filled as i64), address::to_python(py, this.descriptor(), &from, this.protocol())])
}
