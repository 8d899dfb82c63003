//! The raw socket type: a C struct that the stock `_ssl` can read, made from slots, without a dictionary.
//!
//! What the fields may hold is C's contract (socketmodule.h): descriptor, family, type, protocol, the error handler and
//! the timeout in nanoseconds (-1: none, 0: non-blocking); from 3.12 a pointer follows, which is ours alone.
//! Everything that a method may change is atomic, so that threads without a lock may share a socket.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

use super::raw::{self, Arg, Given, Kind, Raised, audit, parse_keywords};
use super::{accept, endpoint, methods, option, state, static_type};
use crate::sys;
use crate::sys::address::Address;

/// The object. On 3.11 it ends before `state`.
#[repr(C)]
pub struct Socket {
    head: ffi::PyObject,
    descriptor: AtomicI32,
    family: AtomicI32,
    kind: AtomicI32,
    protocol: AtomicI32,
    error_handler: extern "C" fn() -> *mut ffi::PyObject,
    timeout: AtomicI64,
    state: *mut c_void,
}

impl Socket {
    /// The descriptor; -1 once closed.
    pub fn descriptor(&self) -> i32 {
        self.descriptor.load(Ordering::Relaxed)
    }

    /// Takes the descriptor away: whoever gets it closes it.
    pub fn take_descriptor(&self) -> i32 {
        self.descriptor.swap(-1, Ordering::Relaxed)
    }

    /// `AF_*`.
    pub fn family(&self) -> i32 {
        self.family.load(Ordering::Relaxed)
    }

    /// `SOCK_*`, without its flags.
    pub fn kind(&self) -> i32 {
        self.kind.load(Ordering::Relaxed)
    }

    /// The protocol's number.
    pub fn protocol(&self) -> i32 {
        self.protocol.load(Ordering::Relaxed)
    }

    /// In nanoseconds: -1 is none, 0 is non-blocking.
    pub fn timeout(&self) -> i64 {
        self.timeout.load(Ordering::Relaxed)
    }

    /// Sets it; the open file is the caller's business.
    pub fn set_timeout(&self, nanoseconds: i64) {
        self.timeout.store(nanoseconds, Ordering::Relaxed);
    }

    /// Fills a new object, and sets the open file to the default timeout's mode.
    fn fill(&self, py: Python<'_>, descriptor: i32, family: i32, kind: i32, protocol: i32) -> Result<(), Raised> {
        self.descriptor.store(descriptor, Ordering::Relaxed);
        self.family.store(family, Ordering::Relaxed);
        self.kind.store(kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC), Ordering::Relaxed);
        self.protocol.store(protocol, Ordering::Relaxed);
        if kind & libc::SOCK_NONBLOCK != 0 {
            self.set_timeout(0);
            return Ok(());
        }
        let timeout = state::default_timeout();
        self.set_timeout(timeout);
        if timeout >= 0 { option::set_mode(py, descriptor, false) } else { Ok(()) }
    }
}

/// `_ssl` calls this after a failed system call: raises for errno, gives null.
extern "C" fn raise_errno() -> *mut ffi::PyObject {
    // SAFETY: called with the lock held.
    unsafe { ffi::PyErr_SetFromErrno(ffi::PyExc_OSError) }
}

/// A new object of the raw type around a descriptor, which is closed if that fails.
pub fn create<'py>(py: Python<'py>, descriptor: i32, family: i32, kind: i32, protocol: i32) -> Given<'py> {
    let class = state::socket_type(py);
    let made = new_object(py, class);
    let filled = made.and_then(|object| {
        // SAFETY: `new_object` made it of the raw type.
        let socket = unsafe { &*object.as_ptr().cast::<Socket>() };
        socket.fill(py, descriptor, family, kind, protocol).inspect_err(|_| {
            socket.take_descriptor();
        })?;
        Ok(object)
    });
    filled.inspect_err(|_| drop(sys::socket::close(descriptor)))
}

fn new_object(py: Python<'_>, class: *mut ffi::PyTypeObject) -> Given<'_> {
    // SAFETY: the class is the raw type or inherits from it, so its allocator makes room for a `Socket`.
    unsafe {
        let allocate = ffi::PyType_GetSlot(class, ffi::Py_tp_alloc);
        let object = match (!allocate.is_null()).then(|| std::mem::transmute::<*mut c_void, ffi::allocfunc>(allocate)) {
            Some(allocate) => allocate(class, 0),
            None => ffi::PyType_GenericAlloc(class, 0),
        };
        let object = raw::owned(py, object)?;
        let socket = &mut *object.as_ptr().cast::<Socket>();
        socket.descriptor = AtomicI32::new(-1);
        socket.timeout = AtomicI64::new(-1);
        socket.error_handler = raise_errno;
        Ok(object)
    }
}

unsafe extern "C" fn new(
    class: *mut ffi::PyTypeObject,
    _arguments: *mut ffi::PyObject,
    _keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    raw::give(|py| new_object(py, class))
}

unsafe extern "C" fn init(
    object: *mut ffi::PyObject,
    arguments: *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> c_int {
    raw::succeed(|py| {
        let mut given = [std::ptr::null_mut::<ffi::PyObject>(); 4];
        let [family, kind, protocol, descriptor] = &mut given;
        // SAFETY: the interpreter passes a tuple.
        let count = unsafe { ffi::PyTuple_Size(arguments) }.cast_unsigned();
        if keywords.is_null() && count <= 4 {
            for (index, place) in [family, kind, protocol, descriptor].into_iter().take(count).enumerate() {
                // SAFETY: within the tuple, which the caller keeps.
                *place = unsafe { ffi::PyTuple_GetItem(arguments, index.cast_signed()) };
            }
        } else {
            parse_keywords!(
                arguments,
                keywords,
                c"|OOOO:socket",
                [c"family", c"type", c"proto", c"fileno"],
                &raw mut *family,
                &raw mut *kind,
                &raw mut *protocol,
                &raw mut *descriptor,
            )?;
        }
        // SAFETY: null, or arguments that the caller keeps.
        let [family, kind, protocol, descriptor] = given.map(|object| unsafe { Borrowed::from_ptr_or_opt(py, object) });
        let number = |object: Option<Arg<'_, '_>>| object.map_or(Ok(-1), |object| raw::c_int_of(py, object));
        let (mut family, mut kind, mut protocol) = (number(family)?, number(kind)?, number(protocol)?);
        audit!(c"socket.__new__", c"Oiii", object, family, kind, protocol)?;
        // SAFETY: the interpreter calls this with an object of the raw type.
        let socket = unsafe { &*object.cast::<Socket>() };
        let fresh = match descriptor.filter(|given| !given.is_none()) {
            Some(given) => adopt(py, given, &mut family, &mut kind, &mut protocol)?,
            None => {
                family = if family == -1 { libc::AF_INET } else { family };
                kind = if kind == -1 { libc::SOCK_STREAM } else { kind };
                protocol = if protocol == -1 { 0 } else { protocol };
                raw::unlocked(py, || sys::socket::socket(family, kind, protocol))
                    .map_err(|error| raw::raise_os(py, &error))?
            }
        };
        socket.fill(py, fresh, family, kind, protocol).inspect_err(|_| {
            drop(sys::socket::close(socket.take_descriptor()));
        })
    })
}

/// Checks that the descriptor is a socket, and asks it for what was not given.
fn adopt(
    py: Python<'_>,
    given: Arg<'_, '_>,
    family: &mut i32,
    kind: &mut i32,
    protocol: &mut i32,
) -> Result<i32, Raised> {
    let descriptor = raw::c_int_of_descriptor(py, given)?;
    if descriptor < 0 {
        return Err(raw::raise(py, Kind::Value, c"negative file descriptor"));
    }
    let known = *family != -1 && *kind != -1 && *protocol != -1;
    if known && accept::is_just_accepted(descriptor) {
        return Ok(descriptor);
    }
    let raise = |error| raw::raise_os(py, &error);
    let mut address = Address::room(Address::CAPACITY);
    match sys::socket::local_address(descriptor, &mut address) {
        Ok(()) if *family == -1 => *family = address.family(),
        Ok(()) => {}
        Err(error) if *family == -1 || matches!(error.raw_os_error(), Some(libc::EBADF | libc::ENOTSOCK)) => {
            return Err(raise(error));
        }
        Err(_) => {}
    }
    if *kind == -1 {
        *kind = sys::socket::option_int(descriptor, libc::SOL_SOCKET, libc::SO_TYPE).map_err(raise)?;
    }
    if *protocol == -1 {
        *protocol = sys::socket::option_int(descriptor, libc::SOL_SOCKET, libc::SO_PROTOCOL).map_err(raise)?;
    }
    Ok(descriptor)
}

unsafe extern "C" fn repr(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    raw::give(|py| {
        // SAFETY: the interpreter calls this with an object of the raw type.
        let socket = unsafe { &*object.cast::<Socket>() };
        let text = format!(
            "<socket object, fd={}, family={}, type={}, proto={}>",
            socket.descriptor(),
            socket.family(),
            socket.kind(),
            socket.protocol()
        );
        raw::str(py, &text)
    })
}

/// Closes what nobody has closed, with a warning; the exception that is set, if any, stays set.
unsafe extern "C" fn finalize(object: *mut ffi::PyObject) {
    // SAFETY: the interpreter calls this with an object of the raw type and the lock held.
    unsafe {
        let socket = &*object.cast::<Socket>();
        if socket.descriptor() == -1 {
            return;
        }
        let (mut class, mut value, mut trace) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        ffi::PyErr_Fetch(&raw mut class, &raw mut value, &raw mut trace);
        if ffi::PyErr_ResourceWarning(object, 1, c"unclosed %R".as_ptr(), object) != 0
            && ffi::PyErr_ExceptionMatches(ffi::PyExc_Warning) != 0
        {
            ffi::PyErr_WriteUnraisable(object);
        }
        // After the warning, so that whoever logs it may still ask the socket for its address.
        let descriptor = socket.take_descriptor();
        if descriptor != -1 {
            // An error has nobody to go to.
            drop(endpoint::close_taken(Python::assume_attached(), descriptor).inspect_err(|_| ffi::PyErr_Clear()));
        }
        ffi::PyErr_Restore(class, value, trace);
    }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: the reference count is zero; the steps are those that the C API documents for a heap type.
    unsafe {
        if raw::PyObject_CallFinalizerFromDealloc(object) < 0 {
            return;
        }
        let class = ffi::Py_TYPE(object);
        if raw::minor_version() >= 12 {
            ffi::PyObject_GC_UnTrack(object.cast());
        }
        let free = ffi::PyType_GetSlot(class, ffi::Py_tp_free);
        if !free.is_null() {
            std::mem::transmute::<*mut c_void, ffi::freefunc>(free)(object.cast());
        }
        // An object keeps its type alive only if that may die: the raw type of 3.11 cannot.
        if raw::minor_version() >= 12 {
            ffi::Py_DECREF(class.cast());
        }
    }
}

unsafe extern "C" fn traverse(object: *mut ffi::PyObject, visit: ffi::visitproc, argument: *mut c_void) -> c_int {
    // SAFETY: the collector's contract.
    unsafe { visit(ffi::Py_TYPE(object).cast(), argument) }
}

unsafe extern "C" fn timeout(object: *mut ffi::PyObject, _closure: *mut c_void) -> *mut ffi::PyObject {
    raw::give(|py| {
        // SAFETY: the interpreter calls this with an object of the raw type.
        option::seconds(py, unsafe { &*object.cast::<Socket>() }.timeout())
    })
}

const DOC: &std::ffi::CStr = c"socket(family=AF_INET, type=SOCK_STREAM, proto=0) -> socket object
socket(family=-1, type=-1, proto=-1, fileno=None) -> socket object

One end of a communication, socket(7). With fileno the object takes over that
descriptor, and what is not given is asked of it. New descriptors are not
inheritable.";

/// Makes the type, once a process.
pub fn make_type(py: Python<'_>) -> Given<'_> {
    let member = |name: &'static std::ffi::CStr, offset: usize, doc: &'static std::ffi::CStr| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: ffi::Py_T_INT,
        offset: offset.cast_signed(),
        flags: ffi::Py_READONLY,
        doc: doc.as_ptr(),
    };
    let members = vec![
        member(c"family", offset_of!(Socket, family), c"the address family, AF_*"),
        member(c"type", offset_of!(Socket, kind), c"the type, SOCK_*"),
        member(c"proto", offset_of!(Socket, protocol), c"the protocol's number"),
        ffi::PyMemberDef::default(),
    ];
    let getters = vec![
        ffi::PyGetSetDef {
            name: c"timeout".as_ptr(),
            get: Some(timeout),
            set: None,
            doc: c"the timeout in seconds, or None".as_ptr(),
            closure: std::ptr::null_mut(),
        },
        ffi::PyGetSetDef::default(),
    ];
    // The interpreter keeps these tables for as long as the type lives, which is for ever.
    let (methods, members, getters) =
        (methods::leaked_methods(), members.leak().as_mut_ptr(), getters.leak().as_mut_ptr());
    if raw::minor_version() < 12 {
        let size = offset_of!(Socket, state);
        let name = c"_socket.socket";
        let getset = getters;
        let parts =
            static_type::Parts { name, doc: DOC, size, dealloc, repr, init, new, finalize, methods, members, getset };
        return static_type::make(py, parts);
    }
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_doc, DOC.as_ptr().cast_mut().cast()),
        slot(ffi::Py_tp_methods, methods.cast()),
        slot(ffi::Py_tp_members, members.cast()),
        slot(ffi::Py_tp_getset, getters.cast()),
        slot(ffi::Py_tp_init, init as *mut c_void),
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_finalize, finalize as *mut c_void),
        slot(0, std::ptr::null_mut()),
    ];
    let flags =
        ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE | ffi::Py_TPFLAGS_HAVE_GC | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: c"_socket.socket".as_ptr(),
        basicsize: size_of::<Socket>() as c_int,
        itemsize: 0,
        flags: flags as std::ffi::c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the spec is complete, its tables end with an empty entry and live on.
    raw::owned(py, unsafe { ffi::PyType_FromSpec(&raw mut spec) })
}
