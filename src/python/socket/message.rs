//! recvmsg(2) and sendmsg(2): several buffers and ancillary data, cmsg(3).
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::alloc::{Layout, alloc_zeroed};
use std::ffi::{CStr, c_int};
use std::io;

use pyo3::ffi;
use pyo3::prelude::*;

use super::address;
use super::call;
use super::memory::{NewBytes, View};
use super::methods::This;
use super::notes;
use super::raw::{self, Arg, Given, Kind, Raised, audit, parse_keywords, parse_one, parse_tuple};
use crate::sys;

/// The largest length that a control message may have: `socklen_t` holds an `int` on some systems.
const LIMIT: usize = 0x7fff_ffff;

const ALG_SET_IV: c_int = 2;
const ALG_SET_OP: c_int = 3;
const ALG_SET_AEAD_ASSOCLEN: c_int = 4;

/// `CMSG_LEN`, where it does not exceed the limit.
pub fn control_length(data: usize) -> Option<usize> {
    // SAFETY: arithmetic only.
    let empty = unsafe { libc::CMSG_LEN(0) } as usize;
    // The limit first: the macros compute in 32 bits.
    let data = u32::try_from(data).ok().filter(|data| *data as usize <= LIMIT - empty)?;
    // SAFETY: arithmetic only.
    let length = unsafe { libc::CMSG_LEN(data) } as usize;
    (length <= LIMIT).then_some(length)
}

/// `CMSG_SPACE`, where it does not exceed the limit.
pub fn control_space(data: usize) -> Option<usize> {
    // SAFETY: arithmetic only.
    let one = unsafe { libc::CMSG_SPACE(1) } as usize;
    let data = u32::try_from(data).ok().filter(|data| *data as usize <= LIMIT - one)?;
    // SAFETY: arithmetic only.
    let space = unsafe { libc::CMSG_SPACE(data) } as usize;
    (space <= LIMIT).then_some(space)
}

/// A sequence as `PySequence_Fast` sees it: a list or tuple as it is, of another iterable a list.
pub struct Sequence<'py>(Bound<'py, PyAny>);

impl<'py> Sequence<'py> {
    pub fn of(py: Python<'py>, object: Arg<'_, 'py>, message: &CStr) -> Given<'py, Self> {
        // SAFETY: a live object.
        unsafe {
            let pointer = object.as_ptr();
            if ffi::PyList_CheckExact(pointer) != 0 || ffi::PyTuple_CheckExact(pointer) != 0 {
                return Ok(Self(Borrowed::to_owned(object)));
            }
            match raw::owned(py, ffi::PyObject_GetIter(pointer)) {
                Ok(iterator) => raw::owned(py, ffi::PySequence_List(iterator.as_ptr())).map(Self),
                Err(raised) if raw::raised(py, Kind::Type) => {
                    raw::forgive(py, raised);
                    Err(raw::raise(py, Kind::Type, message))
                }
                Err(raised) => Err(raised),
            }
        }
    }

    /// How many items there are; a list may change whenever other code runs.
    pub fn len(&self) -> usize {
        // SAFETY: a live list or tuple.
        unsafe {
            let size = if ffi::PyTuple_CheckExact(self.0.as_ptr()) != 0 {
                ffi::PyTuple_Size(self.0.as_ptr())
            } else {
                ffi::PyList_Size(self.0.as_ptr())
            };
            size.cast_unsigned()
        }
    }

    pub fn get(&self, index: usize) -> Given<'py> {
        // SAFETY: a live list or tuple; both check the index, and lend the item, which is owned at once.
        unsafe {
            let item = if ffi::PyTuple_CheckExact(self.0.as_ptr()) != 0 {
                ffi::PyTuple_GetItem(self.0.as_ptr(), index.cast_signed())
            } else {
                ffi::PyList_GetItem(self.0.as_ptr(), index.cast_signed())
            };
            Borrowed::from_ptr_or_opt(self.0.py(), item).map(Borrowed::to_owned).ok_or(Raised)
        }
    }
}

/// One part of a message.
pub fn iovec(start: *const u8, length: usize) -> libc::iovec {
    libc::iovec { iov_base: start.cast_mut().cast(), iov_len: length }
}

/// Memory for control messages, aligned as they are.
struct Control {
    words: Vec<u64>,
    length: usize,
}

impl Control {
    const fn empty() -> Self {
        Self { words: Vec::new(), length: 0 }
    }

    /// Zeros that the kernel gives when they are touched; `MemoryError` where it has none to give.
    fn zeroed(py: Python<'_>, length: usize) -> Result<Self, Raised> {
        let count = length.div_ceil(8);
        if count == 0 {
            return Ok(Self::empty());
        }
        let layout = Layout::array::<u64>(count).map_err(|_| no_memory(py))?;
        // SAFETY: the layout is not empty; a vector of the same layout takes the memory over.
        let words = unsafe {
            let start = alloc_zeroed(layout).cast::<u64>();
            if start.is_null() {
                return Err(no_memory(py));
            }
            Vec::from_raw_parts(start, count, count)
        };
        Ok(Self { words, length })
    }

    fn grow(&mut self, py: Python<'_>, by: usize) -> Result<(), Raised> {
        let length = self.length + by;
        let words = length.div_ceil(8);
        self.words.try_reserve(words - self.words.len()).map_err(|_| no_memory(py))?;
        self.words.resize(words, 0);
        self.length = length;
        Ok(())
    }
}

/// Raises `MemoryError`.
pub fn no_memory(_py: Python<'_>) -> Raised {
    // SAFETY: raises; the token says that the interpreter is ours.
    unsafe { ffi::PyErr_NoMemory() };
    Raised
}

fn header() -> libc::msghdr {
    // SAFETY: a `msghdr` of zeros is valid: nothing at all.
    unsafe { std::mem::zeroed() }
}

/// One control message as it lies in the buffer: level, type, its data as far as they are there, and whether all are.
pub struct Item<'a> {
    pub level: c_int,
    pub kind: c_int,
    pub data: &'a [u8],
    whole: bool,
}

/// The control messages that the kernel has left in `message`. The flag says that the last header itself is broken.
pub fn items<'a>(message: &'a libc::msghdr) -> (Vec<Item<'a>>, bool) {
    let mut found = Vec::new();
    if message.msg_controllen == 0 || message.msg_control.is_null() {
        return (found, false);
    }
    // SAFETY: the buffer has `msg_controllen` bytes; each header and its data are checked against its end.
    unsafe {
        let start = message.msg_control as usize;
        let end = start + message.msg_controllen;
        let empty = libc::CMSG_LEN(0) as usize;
        let mut at = libc::CMSG_FIRSTHDR(message);
        while !at.is_null() {
            if at as usize + empty > end || (*at).cmsg_len < empty {
                return (found, true);
            }
            let data = libc::CMSG_DATA(at);
            let (announced, there) = ((*at).cmsg_len - empty, end - data as usize);
            let whole = announced <= there;
            let data = std::slice::from_raw_parts(data.cast_const(), announced.min(there));
            found.push(Item { level: (*at).cmsg_level, kind: (*at).cmsg_type, data, whole });
            if !whole {
                break;
            }
            at = libc::CMSG_NXTHDR(message, at);
        }
    }
    (found, false)
}

/// Closes the descriptors that came along, which nobody will ever see.
fn close_received(message: &libc::msghdr) {
    for item in items(message).0 {
        if item.level == libc::SOL_SOCKET && item.kind == libc::SCM_RIGHTS {
            for descriptor in item.data.chunks_exact(size_of::<c_int>()) {
                if let Ok(descriptor) = descriptor.try_into() {
                    drop(sys::socket::close(c_int::from_ne_bytes(descriptor)));
                }
            }
        }
    }
}

/// Receives into `parts`; `value` makes the first item of the result.
fn receive<'py>(
    py: Python<'py>,
    this: This<'_>,
    parts: &mut [libc::iovec],
    control: isize,
    flags: c_int,
    value: impl FnOnce(usize) -> Given<'py>,
) -> Given<'py> {
    let mut from = address::room_for(py, &this)?;
    let room = from.length;
    let control = match usize::try_from(control) {
        Ok(control) if control <= LIMIT => control,
        _ => return Err(raw::raise(py, Kind::Value, c"invalid ancillary data buffer length")),
    };
    let mut control = Control::zeroed(py, control)?;
    let mut message = header();
    message.msg_name = from.as_mut_ptr().cast();
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len();
    message.msg_control = if control.length == 0 { std::ptr::null_mut() } else { control.words.as_mut_ptr().cast() };
    let size = parts.iter().map(|part| part.iov_len).sum();
    let filled = call::once_brief(py, &this, call::READABLE, flags, size, |descriptor, flags| {
        message.msg_namelen = room;
        message.msg_controllen = control.length;
        // SAFETY: name, parts and control are live and as long as the header says.
        unsafe { sys::socket::receive_message(descriptor, &mut message, flags) }
    })?;
    from.length = message.msg_namelen.min(room);
    let result = ancillary(py, &message).and_then(|ancillary| {
        let address = address::to_python(py, this.descriptor(), &from, this.protocol());
        raw::tuple(py, [value(filled), Ok(ancillary), raw::int(py, i64::from(message.msg_flags)), address])
    });
    result.inspect_err(|_| close_received(&message))
}

fn ancillary<'py>(py: Python<'py>, message: &libc::msghdr) -> Given<'py> {
    let list = raw::list(py)?;
    let (found, broken) = items(message);
    let warn = || {
        let text = c"received malformed or improperly-truncated ancillary data";
        // SAFETY: a class of warnings and a text.
        if unsafe { ffi::PyErr_WarnEx(ffi::PyExc_RuntimeWarning, text.as_ptr(), 1) } == -1 {
            Err(Raised)
        } else {
            Ok(())
        }
    };
    for item in found {
        if !item.whole {
            warn()?;
        }
        let (level, kind) = (raw::int(py, i64::from(item.level)), raw::int(py, i64::from(item.kind)));
        raw::append(&list, &raw::tuple(py, [level, kind, raw::bytes(py, item.data)])?)?;
    }
    if broken {
        warn()?;
    }
    Ok(list)
}

pub fn recvmsg<'py>(py: Python<'py>, this: This<'_>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let (mut size, mut control, mut flags) = (0_isize, 0_isize, 0);
    match raw::only(arguments).and_then(raw::small_int) {
        Some(only) => size = only as isize,
        None => parse_tuple!(arguments.as_ptr(), c"n|ni:recvmsg", &raw mut size, &raw mut control, &raw mut flags)?,
    }
    let Ok(size) = usize::try_from(size) else {
        return Err(raw::raise(py, Kind::Value, c"negative buffer size in recvmsg()"));
    };
    let mut bytes = if flags & libc::MSG_TRUNC == 0 { NewBytes::new(py, size)? } else { NewBytes::zeros(py, size)? };
    let mut part = [iovec(bytes.room().as_ptr().cast(), size)];
    receive(py, this, &mut part, control, flags, |filled| bytes.finish(filled.min(size)))
}

pub fn recvmsg_into<'py>(py: Python<'py>, this: This<'_>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let mut buffers: *mut ffi::PyObject = std::ptr::null_mut();
    let (mut control, mut flags) = (0_isize, 0);
    parse_tuple!(arguments.as_ptr(), c"O|ni:recvmsg_into", &raw mut buffers, &raw mut control, &raw mut flags)?;
    // SAFETY: the format borrows it from the arguments.
    let buffers = unsafe { Borrowed::from_ptr(py, buffers) };
    let buffers = Sequence::of(py, buffers, c"recvmsg_into() argument 1 must be an iterable")?;
    if c_int::try_from(buffers.len()).is_err() {
        return Err(raw::raise(py, Kind::Os, c"recvmsg_into() argument 1 is too long"));
    }
    let mut views = Vec::with_capacity(buffers.len());
    for index in 0..buffers.len() {
        let mut view = View::empty();
        parse_one!(
            buffers.get(index)?.as_ptr(),
            c"w*;recvmsg_into() argument 1 must be an iterable of single-segment read-write buffers",
            view.as_mut_ptr()
        )?;
        views.push(view);
    }
    let mut parts: Vec<_> =
        views.iter_mut().map(View::room).map(|room| iovec(room.as_ptr().cast(), room.len())).collect();
    receive(py, this, &mut parts, control, flags, |filled| raw::int(py, filled as i64))
}

/// Views of all the buffers of `sendmsg`'s first argument; each keeps its exporter alive.
fn data_views<'py>(py: Python<'py>, argument: Arg<'_, 'py>) -> Given<'py, Vec<View<'static>>> {
    let buffers = Sequence::of(py, argument, c"sendmsg() argument 1 must be an iterable")?;
    if c_int::try_from(buffers.len()).is_err() {
        return Err(raw::raise(py, Kind::Os, c"sendmsg() argument 1 is too long"));
    }
    let mut views = Vec::with_capacity(buffers.len());
    for index in 0..buffers.len() {
        views.push(View::of_owned(&buffers.get(index)?)?);
    }
    Ok(views)
}

/// Writes one control message behind the others.
fn push(
    py: Python<'_>,
    control: &mut Control,
    level: c_int,
    kind: c_int,
    length: usize,
    data: &[&[u8]],
) -> Result<(), Raised> {
    let start = control.length;
    let size: usize = data.iter().map(|part| part.len()).sum();
    let Some(space) = control_space(size) else {
        return Err(raw::raise(py, Kind::Os, c"ancillary data item too large"));
    };
    control.grow(py, space)?;
    // SAFETY: the words have room for a header and the data behind `start`, which is aligned as `CMSG_SPACE` promises.
    unsafe {
        let at = control.words.as_mut_ptr().cast::<u8>().add(start).cast::<libc::cmsghdr>();
        (*at).cmsg_level = level;
        (*at).cmsg_type = kind;
        (*at).cmsg_len = length as _;
        let mut to = libc::CMSG_DATA(at);
        for part in data {
            part.as_ptr().copy_to_nonoverlapping(to, part.len());
            to = to.add(part.len());
        }
    }
    Ok(())
}

pub fn sendmsg<'py>(py: Python<'py>, this: This<'_>, arguments: Arg<'_, 'py>) -> Given<'py> {
    let null = std::ptr::null_mut;
    let (mut data, mut control, mut flags, mut to): (
        *mut ffi::PyObject,
        *mut ffi::PyObject,
        c_int,
        *mut ffi::PyObject,
    ) = (null(), null(), 0, null());
    match raw::only(arguments) {
        Some(only) => data = only.as_ptr(),
        None => parse_tuple!(
            arguments.as_ptr(),
            c"O|OiO:sendmsg",
            &raw mut data,
            &raw mut control,
            &raw mut flags,
            &raw mut to
        )?,
    }
    // SAFETY: the format borrows them from the arguments, or leaves null.
    let (data, control, to) = unsafe {
        let given = |object| Borrowed::from_ptr_or_opt(py, object);
        (Borrowed::from_ptr(py, data), given(control), given(to).filter(|to| !to.is_none()))
    };
    let address = to.map(|to| address::from_python(py, &this, to, "sendmsg")).transpose()?;
    // SAFETY: `None` lives for ever.
    let audited = to.map_or(unsafe { ffi::Py_None() }, |to| to.as_ptr());
    audit!(c"socket.sendmsg", c"OO", this.as_ptr(), audited)?;
    let views = data_views(py, data)?;
    let control = match control {
        Some(control) => control_messages(py, control)?,
        None => Control::empty(),
    };
    let mut message = header();
    if let Some(address) = &address {
        message.msg_name = address.as_ptr().cast_mut().cast();
        message.msg_namelen = address.length;
    }
    transmit(py, this, message, &views, control, flags)
}

fn control_messages(py: Python<'_>, argument: Arg<'_, '_>) -> Result<Control, Raised> {
    let mut control = Control::empty();
    let mut total = 0_usize;
    let items = Sequence::of(py, argument, c"sendmsg() argument 2 must be an iterable")?;
    for index in 0..items.len() {
        let item = items.get(index)?;
        let (mut level, mut kind, mut view): (c_int, c_int, View<'_>) = (0, 0, View::empty());
        parse_one!(
            item.as_ptr(),
            c"(iiy*):[sendmsg() ancillary data items]",
            &raw mut level,
            &raw mut kind,
            view.as_mut_ptr()
        )?;
        let sizes = control_space(view.bytes().len()).zip(control_length(view.bytes().len()));
        let Some((space, length)) = sizes else {
            return Err(raw::raise(py, Kind::Os, c"ancillary data item too large"));
        };
        total += space;
        if total > LIMIT {
            return Err(raw::raise(py, Kind::Os, c"too much ancillary data"));
        }
        push(py, &mut control, level, kind, length, &[view.bytes()])?;
    }
    Ok(control)
}

fn transmit<'py>(
    py: Python<'py>,
    this: This<'_>,
    mut message: libc::msghdr,
    views: &[View<'_>],
    mut control: Control,
    flags: c_int,
) -> Given<'py> {
    let mut parts: Vec<_> = views.iter().map(View::bytes).map(|bytes| iovec(bytes.as_ptr(), bytes.len())).collect();
    let size: usize = parts.iter().map(|part| part.iov_len).sum();
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len();
    if control.length > 0 {
        message.msg_control = control.words.as_mut_ptr().cast();
        message.msg_controllen = control.length;
    }
    let sent = call::once_brief(py, &this, call::WRITABLE, flags, size, |descriptor, flags| -> io::Result<usize> {
        // SAFETY: name, parts and control are live and as long as the header says.
        unsafe { sys::socket::send_message(descriptor, &message, flags) }
    })
    .inspect_err(|_| notes::note_sent(py, 0))?;
    raw::int(py, sent as i64)
}

pub fn sendmsg_afalg<'py>(
    py: Python<'py>,
    this: This<'_>,
    arguments: &[Arg<'_, 'py>],
    names: *mut ffi::PyObject,
) -> Given<'py> {
    if this.family() != libc::AF_ALG {
        return Err(raw::raise(py, Kind::Os, c"algset is only supported for AF_ALG"));
    }
    let null = std::ptr::null_mut;
    let (mut data, mut operation, mut associated): (*mut ffi::PyObject, *mut ffi::PyObject, *mut ffi::PyObject) =
        (null(), null(), null());
    let (mut vector, mut flags): (View<'_>, c_int) = (View::empty(), 0);
    let (tuple, keywords) = raw::packed_with_keywords(py, arguments, names)?;
    let keywords = keywords.as_ref().map_or(null(), |keywords| keywords.as_ptr());
    parse_keywords!(
        tuple.as_ptr(),
        keywords,
        c"|O$O!y*O!i:sendmsg_afalg",
        [c"msg", c"op", c"iv", c"assoclen", c"flags"],
        &raw mut data,
        &raw mut ffi::PyLong_Type,
        &raw mut operation,
        vector.as_mut_ptr(),
        &raw mut ffi::PyLong_Type,
        &raw mut associated,
        &raw mut flags,
    )?;
    // SAFETY: the format borrows them from the arguments, or leaves null.
    let (data, operation, associated) = unsafe {
        let given = |object| Borrowed::from_ptr_or_opt(py, object);
        (given(data), given(operation), given(associated))
    };
    let operation = operation.and_then(raw::small_c_int).filter(|operation| *operation >= 0);
    let Some(operation) = operation else {
        // Whatever the conversion may have raised.
        raw::forgive(py, Raised);
        return Err(raw::raise(py, Kind::Type, c"Invalid or missing argument 'op'"));
    };
    let associated = associated.map(|associated| raw::c_int_of(py, associated)).transpose()?;
    if associated.is_some_and(|associated| associated < 0) {
        return Err(raw::raise(py, Kind::Type, c"assoclen must be positive"));
    }
    let views = data.map(|data| data_views(py, data)).transpose()?.unwrap_or_default();
    let mut control = Control::empty();
    // SAFETY: arithmetic only.
    let four = unsafe { libc::CMSG_LEN(4) } as usize;
    push(py, &mut control, libc::SOL_ALG, ALG_SET_OP, four, &[&operation.to_ne_bytes()])?;
    if !vector.is_unset() {
        let vector = vector.bytes();
        let size = (vector.len() as u32).to_ne_bytes();
        // The kernel wants the padding counted here.
        let Some(space) = vector.len().checked_add(4).and_then(control_space) else {
            return Err(raw::raise(py, Kind::Os, c"ancillary data item too large"));
        };
        push(py, &mut control, libc::SOL_ALG, ALG_SET_IV, space, &[&size, vector])?;
    }
    if let Some(associated) = associated {
        push(py, &mut control, libc::SOL_ALG, ALG_SET_AEAD_ASSOCLEN, four, &[&associated.to_ne_bytes()])?;
    }
    transmit(py, this, header(), &views, control, flags)
}
