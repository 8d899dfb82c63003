//! What the standard library's socket does not have: datagrams in batches, sendmmsg(2) and recvmmsg(2); segmentation by
//! the kernel, udp(7); the kernel's timestamps, socket(7); a receive that fills a buffer.
//!
//! The functions take a socket of the raw type, keep to its timeout, and raise what its methods raise.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::c_int;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::address;
use super::call::{self, Deadline, First};
use super::memory::View;
use super::message::{self, Sequence, iovec, items};
use super::methods::This;
use super::raw::{self, Arg, Given, Raised};
use super::{notes, state};
use crate::error::{Cause, Error};
use crate::python::arguments;
use crate::python::errors;
use crate::sys;
use crate::sys::address::Address;

/// `UIO_MAXIOV` of <linux/uio.h>: what sendmmsg and recvmmsg take at most.
const MOST_MESSAGES: usize = 1024;
/// `UDP_MAX_SEGMENTS` of <linux/udp.h>.
const MOST_SEGMENTS: usize = 64;
/// The largest payload of UDP over IPv4.
const MOST_PAYLOAD: usize = 65507;
/// Room for the control messages that are asked for here.
const CONTROL: usize = 8;
/// `UDP_GRO` of <linux/udp.h>.
const UDP_GRO: c_int = 104;
/// `UDP_SEGMENT` of <linux/udp.h>.
const UDP_SEGMENT: c_int = 103;

/// The socket behind `object`, which must be of the raw type.
fn socket<'a>(object: &'a Bound<'_, PyAny>) -> PyResult<This<'a>> {
    let class = state::socket_type(object.py());
    // SAFETY: a live object and a live type, if there is one yet.
    if class.is_null() || unsafe { ffi::PyObject_TypeCheck(object.as_ptr(), class) } == 0 {
        let kind = object.get_type().name()?;
        return Err(PyTypeError::new_err(format!("a socket of eyesocket.socket expected, not {kind}")));
    }
    // SAFETY: the type was checked; the object lives as long as the borrow.
    Ok(unsafe { super::methods::this(object.as_ptr()) })
}

fn raised<T>(py: Python<'_>, given: Given<'_, T>) -> PyResult<T> {
    given.map_err(|Raised| PyErr::fetch(py))
}

fn empty_message() -> libc::mmsghdr {
    // SAFETY: an `mmsghdr` of zeros is valid: nothing at all.
    unsafe { std::mem::zeroed() }
}

/// Sends datagrams with one sendmmsg(2): each bytes-like, or a tuple of that and an address.
///
/// Gives how many the kernel has taken: all, unless the socket does not wait and its buffer is full.
#[pyfunction]
#[pyo3(signature = (socket, messages, flags=0))]
pub fn send_messages(
    socket: &Bound<'_, PyAny>,
    messages: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = arguments::flags)] flags: i32,
) -> PyResult<usize> {
    let py = socket.py();
    let this = self::socket(socket)?;
    raised(py, send_all(py, this, messages.as_borrowed(), flags))
}

fn send_all(py: Python<'_>, this: This<'_>, messages: Arg<'_, '_>, flags: c_int) -> Result<usize, Raised> {
    let messages = Sequence::of(py, messages, c"messages must be an iterable of bytes or (bytes, address)")?;
    let mut views = Vec::with_capacity(messages.len());
    let mut addresses = Vec::with_capacity(messages.len());
    for index in 0..messages.len() {
        let item = messages.get(index)?;
        // SAFETY: a live tuple of two lends its items.
        let parts = unsafe {
            let pair = ffi::PyTuple_Check(item.as_ptr()) != 0 && ffi::PyTuple_Size(item.as_ptr()) == 2;
            pair.then(|| {
                let part = |index| Borrowed::from_ptr(py, ffi::PyTuple_GetItem(item.as_ptr(), index)).to_owned();
                (part(0), part(1))
            })
        };
        match parts {
            Some((data, to)) => {
                views.push(View::of_owned(&data)?);
                addresses.push(Some(address::from_python(py, &this, to.as_borrowed(), "sendmmsg")?));
            }
            None => {
                views.push(View::of_owned(&item)?);
                addresses.push(None);
            }
        }
    }
    let mut parts: Vec<_> = views.iter().map(View::bytes).map(|bytes| iovec(bytes.as_ptr(), bytes.len())).collect();
    let mut headers: Vec<_> = parts
        .iter_mut()
        .zip(&mut addresses)
        .map(|(part, address)| {
            let mut header = empty_message();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            if let Some(address) = address {
                header.msg_hdr.msg_name = address.as_mut_ptr().cast();
                header.msg_hdr.msg_namelen = address.length;
            }
            header
        })
        .collect();
    let mut sent = 0;
    let mut deadline = Deadline::after(this.timeout());
    let flags = if deadline.is_set() { flags | libc::MSG_DONTWAIT } else { flags };
    while sent < headers.len() {
        let end = headers.len().min(sent + MOST_MESSAGES);
        let rest = &mut headers[sent..end];
        let step = call::until(py, &this, call::WRITABLE, First::Call, &mut deadline, |descriptor| {
            // SAFETY: each header points to a live part and a live address, or to none.
            unsafe { sys::socket::send_messages(descriptor, rest, flags) }
        });
        match step {
            Ok(count) => sent += count,
            // What has gone out is told; the trouble comes up again with the rest.
            Err(call::Trouble::Os(_)) if sent > 0 => return Ok(sent),
            Err(trouble) => {
                let raised = trouble.raise(py);
                notes::note_sent(py, sent);
                return Err(raised);
            }
        }
    }
    Ok(sent)
}

/// The named tuple of a received datagram.
fn datagram_type(py: Python<'_>) -> Result<*mut ffi::PyTypeObject, Raised> {
    static TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(std::ptr::null_mut());
    let made = TYPE.load(Ordering::Acquire);
    if !made.is_null() {
        return Ok(made);
    }
    let field = |name: &'static std::ffi::CStr, doc: &'static std::ffi::CStr| ffi::PyStructSequence_Field {
        name: name.as_ptr().cast_mut(),
        doc: doc.as_ptr().cast_mut(),
    };
    let mut fields = [
        field(c"data", c"the bytes"),
        field(c"address", c"who sent it"),
        field(c"time", c"when it came, in seconds since the epoch by the kernel's clock; None unless asked for"),
        ffi::PyStructSequence_Field { name: std::ptr::null_mut(), doc: std::ptr::null_mut() },
    ];
    let mut description = ffi::PyStructSequence_Desc {
        name: c"eyesocket.socket.Datagram".as_ptr().cast_mut(),
        doc: c"A datagram as recvmmsg gives it.".as_ptr().cast_mut(),
        fields: fields.as_mut_ptr(),
        n_in_sequence: 3,
    };
    // SAFETY: a complete description, which the function copies.
    let made = unsafe { ffi::PyStructSequence_NewType(&raw mut description) };
    if made.is_null() {
        return Err(Raised);
    }
    let _ = py;
    match TYPE.compare_exchange(std::ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(made),
        Err(first) => Ok(first),
    }
}

/// The class of what [`receive_messages`] gives.
pub fn datagram_class(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    let class = raised(py, datagram_type(py))?;
    // SAFETY: a live type, which stays.
    Ok(unsafe { Bound::from_borrowed_ptr(py, class.cast()) }.cast_into::<PyType>()?)
}

/// Receives up to `count` datagrams of up to `size` bytes with one recvmmsg(2): waits for the first, takes what is there.
#[pyfunction]
#[pyo3(signature = (socket, count, bufsize, flags=0, timestamps=false))]
pub fn receive_messages<'py>(
    socket: &Bound<'py, PyAny>,
    count: &Bound<'py, PyAny>,
    bufsize: &Bound<'py, PyAny>,
    #[pyo3(from_py_with = arguments::flags)] flags: i32,
    timestamps: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let py = socket.py();
    let this = self::socket(socket)?;
    let (count, size) = (arguments::size("count", count)?, arguments::size("bufsize", bufsize)?);
    if count == 0 || count > MOST_MESSAGES {
        return Err(PyValueError::new_err(format!("count: {count} datagrams; 1 to {MOST_MESSAGES} at once")));
    }
    raised(py, receive_all(py, this, count, size, flags, timestamps))
}

fn receive_all<'py>(
    py: Python<'py>,
    this: This<'_>,
    count: usize,
    size: usize,
    flags: c_int,
    timestamps: bool,
) -> Given<'py> {
    let class = datagram_type(py)?;
    let room = address::room_for(py, &this)?;
    if timestamps {
        let on = 1_i32.to_ne_bytes();
        sys::socket::set_option(this.descriptor(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &on)
            .map_err(|error| raw::raise_os(py, &error))?;
    }
    let mut bytes: Vec<u8> = Vec::new();
    if count.checked_mul(size).is_none_or(|total| bytes.try_reserve_exact(total).is_err()) {
        return Err(message::no_memory(py));
    }
    if flags & libc::MSG_TRUNC != 0 {
        // The kernel counts bytes then that it does not write.
        bytes.resize(count * size, 0);
    }
    let start = bytes.as_mut_ptr();
    let mut addresses = vec![room; count];
    let mut controls = vec![[0_u64; CONTROL]; if timestamps { count } else { 0 }];
    // SAFETY: `index` is below `count`, so the room lies within the reserved memory.
    let mut parts: Vec<_> = (0..count).map(|index| iovec(unsafe { start.add(index * size) }, size)).collect();
    let mut headers: Vec<_> = parts
        .iter_mut()
        .zip(&mut addresses)
        .map(|(part, address)| {
            let mut header = empty_message();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = address.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = address.length;
            header
        })
        .collect();
    for (header, control) in headers.iter_mut().zip(&mut controls) {
        header.msg_hdr.msg_control = control.as_mut_ptr().cast();
        header.msg_hdr.msg_controllen = size_of_val(control) as _;
    }
    let flags = flags | libc::MSG_WAITFORONE;
    let came = call::once(py, &this, call::READABLE, flags, |descriptor, flags| {
        // SAFETY: each header points to live memory of the length beside it.
        unsafe { sys::socket::receive_messages(descriptor, &mut headers, flags) }
    })?;
    let list = raw::list(py)?;
    // Mostly one sender has sent them all: its address is made once.
    let mut last: Option<(Address, Bound<'py, PyAny>)> = None;
    for (index, (header, address)) in headers.iter().zip(&mut addresses).take(came).enumerate() {
        // SAFETY: the kernel has written so many bytes there.
        let data = unsafe { std::slice::from_raw_parts(start.add(index * size), (header.msg_len as usize).min(size)) };
        address.length = header.msg_hdr.msg_namelen.min(room.length);
        let address = match &last {
            Some((same, made)) if same.bytes() == address.bytes() => made.clone(),
            _ => {
                let made = address::to_python(py, this.descriptor(), address, this.protocol())?;
                last = Some((*address, made.clone()));
                made
            }
        };
        let time = match timestamp(&header.msg_hdr) {
            Some(seconds) => raw::float(py, seconds)?,
            None => raw::none(py),
        };
        // SAFETY: a struct sequence of three; the references are handed over.
        let datagram = unsafe {
            let datagram = raw::owned(py, ffi::PyStructSequence_New(class))?;
            for (field, value) in [raw::bytes(py, data)?, address, time].into_iter().enumerate() {
                ffi::PyStructSequence_SetItem(datagram.as_ptr(), field.cast_signed(), value.into_ptr());
            }
            datagram
        };
        raw::append(&list, &datagram)?;
    }
    Ok(list)
}

/// `SCM_TIMESTAMPNS`, in seconds.
fn timestamp(message: &libc::msghdr) -> Option<f64> {
    items(message).0.into_iter().find_map(|item| {
        let wanted = item.level == libc::SOL_SOCKET && item.kind == libc::SCM_TIMESTAMPNS;
        let (seconds, nanoseconds) = item.data.split_at_checked(8).filter(|_| wanted)?;
        let seconds = i64::from_ne_bytes(seconds.try_into().ok()?);
        let nanoseconds = i64::from_ne_bytes(nanoseconds.get(..8)?.try_into().ok()?);
        Some(seconds as f64 + nanoseconds as f64 / 1e9)
    })
}

/// Sends `data` as datagrams of `size` bytes each, the last what is left, which the kernel cuts (UDP GSO).
#[pyfunction]
#[pyo3(signature = (socket, data, size, address=None, flags=0))]
pub fn send_segments(
    socket: &Bound<'_, PyAny>,
    data: &Bound<'_, PyAny>,
    size: &Bound<'_, PyAny>,
    address: Option<&Bound<'_, PyAny>>,
    #[pyo3(from_py_with = arguments::flags)] flags: i32,
) -> PyResult<usize> {
    let py = socket.py();
    let this = self::socket(socket)?;
    let size = arguments::size("size", size)?;
    let segment = u16::try_from(size).ok().filter(|size| *size > 0 && usize::from(*size) <= MOST_PAYLOAD);
    let Some(segment) = segment else {
        return Err(PyValueError::new_err(format!("size: segments of {size} bytes; 1 to {MOST_PAYLOAD}")));
    };
    let address = match address {
        Some(address) => Some(raised(py, address::from_python(py, &this, address.as_borrowed(), "send_segments"))?),
        None => None,
    };
    let view = raised(py, View::of(data.as_borrowed()))?;
    raised(py, send_cut(py, this, view.bytes(), segment, address, flags))
}

fn send_cut(
    py: Python<'_>,
    this: This<'_>,
    data: &[u8],
    segment: u16,
    mut address: Option<Address>,
    flags: c_int,
) -> Result<usize, Raised> {
    let size = usize::from(segment);
    let chunk = size * MOST_SEGMENTS.min(MOST_PAYLOAD / size).max(1);
    let mut control = [0_u64; CONTROL];
    let mut deadline = Deadline::after(this.timeout());
    let flags = if deadline.is_set() { flags | libc::MSG_DONTWAIT } else { flags };
    let mut sent = 0;
    while sent < data.len() {
        let piece = &data[sent..data.len().min(sent + chunk)];
        let mut part = [iovec(piece.as_ptr(), piece.len())];
        let mut message = empty_message().msg_hdr;
        message.msg_iov = part.as_mut_ptr();
        message.msg_iovlen = part.len();
        if let Some(address) = &mut address {
            message.msg_name = address.as_mut_ptr().cast();
            message.msg_namelen = address.length;
        }
        if piece.len() > size {
            // SAFETY: the control buffer is aligned and has room for a header and two bytes.
            unsafe {
                let header = control.as_mut_ptr().cast::<libc::cmsghdr>();
                (*header).cmsg_level = libc::SOL_UDP;
                (*header).cmsg_type = UDP_SEGMENT;
                (*header).cmsg_len = libc::CMSG_LEN(2) as _;
                libc::CMSG_DATA(header).cast::<u16>().write_unaligned(segment);
                message.msg_control = control.as_mut_ptr().cast();
                message.msg_controllen = libc::CMSG_SPACE(2) as _;
            }
        }
        let step = call::until(py, &this, call::WRITABLE, First::Call, &mut deadline, |descriptor| {
            // SAFETY: name, part and control are live and as long as the header says.
            unsafe { sys::socket::send_message(descriptor, &message, flags) }
        });
        match step {
            Ok(count) => sent += count,
            Err(trouble) => {
                let raised = trouble.raise(py);
                notes::note_sent(py, sent);
                return Err(raised);
            }
        }
    }
    Ok(sent)
}

/// Receives what the kernel has joined of one sender's datagrams (UDP GRO), cut again: a list of bytes, and the address.
#[pyfunction]
#[pyo3(signature = (socket, bufsize, flags=0))]
pub fn receive_segments<'py>(
    socket: &Bound<'py, PyAny>,
    bufsize: &Bound<'py, PyAny>,
    #[pyo3(from_py_with = arguments::flags)] flags: i32,
) -> PyResult<Bound<'py, PyAny>> {
    let py = socket.py();
    let this = self::socket(socket)?;
    let size = arguments::size("bufsize", bufsize)?;
    raised(py, receive_cut(py, this, size, flags))
}

fn receive_cut<'py>(py: Python<'py>, this: This<'_>, size: usize, flags: c_int) -> Given<'py> {
    let on = 1_i32.to_ne_bytes();
    sys::socket::set_option(this.descriptor(), libc::SOL_UDP, UDP_GRO, &on)
        .map_err(|error| raw::raise_os(py, &error))?;
    let mut from = address::room_for(py, &this)?;
    let room = from.length;
    let mut bytes: Vec<u8> = Vec::new();
    if bytes.try_reserve_exact(size).is_err() {
        return Err(message::no_memory(py));
    }
    if flags & libc::MSG_TRUNC != 0 {
        // The kernel counts bytes then that it does not write.
        bytes.resize(size, 0);
    }
    let mut control = [0_u64; CONTROL];
    let mut part = [iovec(bytes.as_mut_ptr(), size)];
    let mut message = empty_message().msg_hdr;
    message.msg_name = from.as_mut_ptr().cast();
    message.msg_iov = part.as_mut_ptr();
    message.msg_iovlen = part.len();
    message.msg_control = control.as_mut_ptr().cast();
    let came = call::once(py, &this, call::READABLE, flags, |descriptor, flags| {
        message.msg_namelen = room;
        message.msg_controllen = size_of_val(&control) as _;
        // SAFETY: name, part and control are live and as long as the header says.
        unsafe { sys::socket::receive_message(descriptor, &mut message, flags) }
    })?;
    // SAFETY: the kernel has written so many bytes.
    let came = unsafe { std::slice::from_raw_parts(bytes.as_ptr(), came.min(size)) };
    let segment = items(&message).0.into_iter().find_map(|item| {
        let wanted = item.level == libc::SOL_UDP && item.kind == UDP_GRO;
        let size = i32::from_ne_bytes(item.data.get(..4)?.try_into().ok()?);
        usize::try_from(size).ok().filter(|size| wanted && *size > 0)
    });
    let list = raw::list(py)?;
    // A datagram may be empty, and is one all the same.
    match segment {
        Some(segment) if !came.is_empty() => {
            for piece in came.chunks(segment) {
                raw::append(&list, &raw::bytes(py, piece)?)?;
            }
        }
        _ => raw::append(&list, &raw::bytes(py, came)?)?,
    }
    from.length = message.msg_namelen.min(room);
    raw::tuple(py, [Ok(list), address::to_python(py, this.descriptor(), &from, this.protocol())])
}

/// Fills all of `buffer` from a stream, with one timeout (seconds; None: no limit; 0: what is there) for the whole.
///
/// When the stream ends before, the error's `partial` has what came, which is in the buffer too.
#[pyfunction]
#[pyo3(signature = (socket, buffer, timeout=None))]
pub fn fill(socket: &Bound<'_, PyAny>, buffer: &Bound<'_, PyAny>, timeout: Option<f64>) -> PyResult<()> {
    let py = socket.py();
    let this = self::socket(socket)?;
    let timeout = arguments::timeout(timeout)?;
    let mut view = raised(py, View::writable(buffer.as_borrowed()))?;
    let room = view.room();
    let mut filled = 0;
    let nanoseconds = timeout.map_or(-1, |timeout| i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX));
    let mut deadline = Deadline::after(nanoseconds);
    let flags = if nanoseconds >= 0 { libc::MSG_DONTWAIT } else { 0 };
    let fail = |filled: usize, room: &[std::mem::MaybeUninit<u8>], cause: Cause| {
        // SAFETY: the kernel has written the first `filled` bytes.
        let partial = unsafe { std::slice::from_raw_parts(room.as_ptr().cast(), filled) }.to_vec();
        errors::exception(py, Error::new("recv_exactly_into", cause).with_partial(partial))
    };
    while filled < room.len() {
        let rest = &mut room[filled..];
        let wanted = Some(filled + rest.len());
        let step = call::until(py, &this, call::READABLE, First::Call, &mut deadline, |descriptor| {
            sys::socket::receive(descriptor, rest, flags)
        });
        deadline.start();
        match step {
            Ok(0) => return Err(fail(filled, room, Cause::Truncated { wanted })),
            Ok(count) => filled += count,
            Err(call::Trouble::TimedOut) => return Err(fail(filled, room, Cause::TimedOut)),
            Err(call::Trouble::Os(error)) => {
                return Err(fail(filled, room, Cause::Os(error.raw_os_error().unwrap_or(libc::EIO))));
            }
            Err(call::Trouble::Raised) => return Err(PyErr::fetch(py)),
        }
    }
    Ok(())
}
