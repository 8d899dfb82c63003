//! The tables of methods and functions: names, ways of calling, one line of help each.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use std::ffi::{CStr, c_int};
use std::ops::Deref;

use pyo3::ffi;
use pyo3::prelude::*;

use super::object::Socket;
use super::raw::{self, Arg, Kind, Raised};
use super::{accept, endpoint, functions, hosts, message, option, receive, send};

/// The socket that a method was called on.
#[derive(Clone, Copy)]
pub struct This<'a>(&'a Socket);

impl This<'_> {
    pub fn as_ptr(self) -> *mut ffi::PyObject {
        std::ptr::from_ref(self.0).cast_mut().cast()
    }
}

impl Deref for This<'_> {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        self.0
    }
}

/// # Safety
/// The interpreter passes an object of the raw type, and keeps it for the call.
pub unsafe fn this<'a>(object: *mut ffi::PyObject) -> This<'a> {
    // SAFETY: by contract.
    This(unsafe { &*object.cast::<Socket>() })
}

/// # Safety
/// The interpreter passes `count` live objects, and with `names` one more for each name.
unsafe fn slice<'a, 'py>(
    py: Python<'py>,
    method: &CStr,
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> Result<&'a [Arg<'a, 'py>], Raised> {
    // In `socket.recv()`, specialised calls of 3.11 and 3.12 take what the stack had before for the socket, and 3.11
    // gives back a reference to it that nobody took.
    if count < 0 {
        if raw::minor_version() < 12 {
            // SAFETY: the interpreter has just read its type, and drops this reference next.
            unsafe { ffi::Py_INCREF(object) };
        }
        let text = format!("unbound method socket.{}() needs an argument", method.to_string_lossy());
        return Err(raw::raise_text(py, Kind::Type, &text));
    }
    // SAFETY: by contract; `Borrowed` is a transparent pointer.
    unsafe {
        let named = if names.is_null() { 0 } else { ffi::PyTuple_Size(names) };
        Ok(match (count + named).cast_unsigned() {
            0 => &[],
            total => std::slice::from_raw_parts(arguments.cast(), total),
        })
    }
}

/// Refuses names of arguments in the words of a method that gets a tuple, as the stock ones do: `socket.recv()` when
/// called by way of the type, `recv()` by way of a bound method.
///
/// # Safety
/// As for [`slice`]; `object` is what the method was called on.
unsafe fn refuse_names(
    py: Python<'_>,
    method: &CStr,
    object: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    names: *mut ffi::PyObject,
) -> Result<(), Raised> {
    // SAFETY: a live tuple or null; where there are names there are arguments. The word before the arguments can be
    // read: a descriptor has passed the object there, and a bound method gets a part of a stack, a tuple or an
    // allocation, none of which begins at the first argument.
    let by_type = unsafe {
        if names.is_null() || ffi::PyTuple_Size(names) == 0 {
            return Ok(());
        }
        arguments.sub(1).cast::<usize>().read_volatile() == object.addr()
    };
    let text =
        format!("{}{}() takes no keyword arguments", if by_type { "socket." } else { "" }, method.to_string_lossy());
    Err(raw::raise_text(py, Kind::Type, &text))
}

/// A method without arguments.
macro_rules! plain {
    ($name:literal, $body:path, $doc:literal) => {{
        unsafe extern "C" fn call(object: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: the interpreter's calling convention.
            raw::give(|py| $body(py, unsafe { this(object) }))
        }
        entry($name, ffi::PyMethodDefPointer { PyCFunction: call }, ffi::METH_NOARGS, $doc)
    }};
}

/// A method with one argument.
macro_rules! one {
    ($name:literal, $body:path, $doc:literal) => {{
        unsafe extern "C" fn call(object: *mut ffi::PyObject, argument: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: the interpreter's calling convention.
            raw::give(|py| unsafe { $body(py, this(object), Borrowed::from_ptr(py, argument)) })
        }
        entry($name, ffi::PyMethodDefPointer { PyCFunction: call }, ffi::METH_O, $doc)
    }};
}

/// A method with several arguments.
macro_rules! fast {
    ($name:literal, $body:path, $doc:literal) => {{
        unsafe extern "C" fn call(
            object: *mut ffi::PyObject,
            arguments: *const *mut ffi::PyObject,
            count: ffi::Py_ssize_t,
            names: *mut ffi::PyObject,
        ) -> *mut ffi::PyObject {
            // SAFETY: the interpreter's calling convention.
            raw::give(|py| unsafe {
                refuse_names(py, $name, object, arguments, names)?;
                $body(py, this(object), slice(py, $name, object, arguments, count, names)?)
            })
        }
        let pointer = ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: call };
        entry($name, pointer, ffi::METH_FASTCALL | ffi::METH_KEYWORDS, $doc)
    }};
}

/// A method with several arguments, which is not called often.
macro_rules! several {
    ($name:literal, $body:path, $doc:literal) => {{
        unsafe extern "C" fn call(object: *mut ffi::PyObject, arguments: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: the interpreter's calling convention.
            raw::give(|py| unsafe { $body(py, this(object), Borrowed::from_ptr(py, arguments)) })
        }
        entry($name, ffi::PyMethodDefPointer { PyCFunction: call }, ffi::METH_VARARGS, $doc)
    }};
}

/// A method with several arguments, which may be named.
macro_rules! named {
    ($name:literal, $body:path, $doc:literal) => {{
        unsafe extern "C" fn call(
            object: *mut ffi::PyObject,
            arguments: *const *mut ffi::PyObject,
            count: ffi::Py_ssize_t,
            names: *mut ffi::PyObject,
        ) -> *mut ffi::PyObject {
            // SAFETY: the interpreter's calling convention.
            raw::give(|py| unsafe {
                $body(py, this(object), slice(py, $name, object, arguments, count, names)?, names)
            })
        }
        let pointer = ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: call };
        entry($name, pointer, ffi::METH_FASTCALL | ffi::METH_KEYWORDS, $doc)
    }};
}

/// A function of the module without arguments.
macro_rules! function {
    ($name:literal, $body:path, $doc:literal) => {{
        unsafe extern "C" fn call(_: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
            raw::give(|py| $body(py))
        }
        entry($name, ffi::PyMethodDefPointer { PyCFunction: call }, ffi::METH_NOARGS, $doc)
    }};
}

/// A function of the module that gets one argument, or all in a tuple, as the flag says.
macro_rules! function_of {
    ($flag:expr, $name:literal, $body:path, $doc:literal) => {{
        unsafe extern "C" fn call(_: *mut ffi::PyObject, argument: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: the interpreter's calling convention.
            raw::give(|py| $body(py, unsafe { Borrowed::from_ptr(py, argument) }))
        }
        entry($name, ffi::PyMethodDefPointer { PyCFunction: call }, $flag, $doc)
    }};
}

fn entry(name: &'static CStr, pointer: ffi::PyMethodDefPointer, flags: c_int, doc: &'static CStr) -> ffi::PyMethodDef {
    ffi::PyMethodDef { ml_name: name.as_ptr(), ml_meth: pointer, ml_flags: flags, ml_doc: doc.as_ptr() }
}

fn leaked(mut table: Vec<ffi::PyMethodDef>) -> *mut ffi::PyMethodDef {
    table.push(ffi::PyMethodDef::zeroed());
    table.leak().as_mut_ptr()
}

/// The methods of the type, in a table that lives for ever.
pub fn leaked_methods() -> *mut ffi::PyMethodDef {
    leaked(vec![
        plain!(c"_accept", accept::accept, c"_accept() -> (fd, address)\n\nThe next connection, accept4(2); its descriptor is not inheritable."),
        one!(c"bind", endpoint::bind, c"bind(address)\n\nGive the socket a local address, bind(2)."),
        plain!(c"close", endpoint::close, c"close()\n\nClose the socket, close(2). Closing twice is no error."),
        one!(c"connect", endpoint::connect, c"connect(address)\n\nConnect to a remote address, connect(2), waiting as long as the timeout says."),
        one!(c"connect_ex", endpoint::connect_ex, c"connect_ex(address) -> errno\n\nAs connect, but a failure of the system call is returned, and 0 is success."),
        plain!(c"detach", endpoint::detach, c"detach() -> fd\n\nGive the descriptor away without closing it; the socket counts as closed."),
        plain!(c"fileno", endpoint::fileno, c"fileno() -> fd\n\nThe descriptor, or -1 once closed."),
        plain!(c"getpeername", endpoint::getpeername, c"getpeername() -> address\n\nThe remote address, getpeername(2)."),
        plain!(c"getsockname", endpoint::getsockname, c"getsockname() -> address\n\nThe local address, getsockname(2)."),
        fast!(c"getsockopt", option::getsockopt, c"getsockopt(level, option[, buflen]) -> int or bytes\n\nThe value of an option, getsockopt(2): an int, or up to buflen bytes."),
        several!(
            c"listen", endpoint::listen, c"listen([backlog])\n\nBecome a server, listen(2)."),
        fast!(c"recv", receive::recv, c"recv(bufsize[, flags]) -> bytes\n\nReceive at most bufsize bytes, recv(2). Nothing is the end of a stream."),
        named!(c"recv_into", receive::recv_into, c"recv_into(buffer[, nbytes[, flags]]) -> count\n\nReceive into a buffer, at most nbytes (0: as many as fit), recv(2)."),
        fast!(c"recvfrom", receive::recvfrom, c"recvfrom(bufsize[, flags]) -> (bytes, address)\n\nReceive, and learn who sent it, recvfrom(2)."),
        named!(c"recvfrom_into", receive::recvfrom_into, c"recvfrom_into(buffer[, nbytes[, flags]]) -> (count, address)\n\nReceive into a buffer, and learn who sent it, recvfrom(2)."),
        fast!(c"send", send::send, c"send(data[, flags]) -> count\n\nSend what the system takes at once, which may be less than all, send(2)."),
        fast!(c"sendall", send::sendall, c"sendall(data[, flags])\n\nSend all, by as many send(2) as it takes, within one timeout."),
        fast!(c"sendto", send::sendto, c"sendto(data[, flags], address) -> count\n\nSend to an address, sendto(2)."),
        one!(c"setblocking", option::setblocking, c"setblocking(flag)\n\nTrue: no timeout. False: never wait."),
        plain!(c"getblocking", option::getblocking, c"getblocking() -> bool\n\nWhether calls wait."),
        one!(c"settimeout", option::settimeout, c"settimeout(seconds)\n\nHow long each call may wait; None: for ever, 0: not at all."),
        plain!(c"gettimeout", option::gettimeout, c"gettimeout() -> seconds or None\n\nHow long each call may wait."),
        fast!(c"setsockopt", option::setsockopt, c"setsockopt(level, option, value: int or bytes)\nsetsockopt(level, option, None, optlen: int)\n\nSet an option, setsockopt(2)."),
        one!(c"shutdown", endpoint::shutdown, c"shutdown(how)\n\nEnd receiving (SHUT_RD), sending (SHUT_WR) or both (SHUT_RDWR), shutdown(2)."),
        several!(
            c"recvmsg", message::recvmsg, c"recvmsg(bufsize[, ancbufsize[, flags]]) -> (bytes, ancdata, msg_flags, address)\n\nReceive with ancillary data, recvmsg(2): ancdata is a list of (level, type, bytes).\nIf an error comes up after the call, descriptors that came along are closed."),
        several!(
            c"recvmsg_into", message::recvmsg_into, c"recvmsg_into(buffers[, ancbufsize[, flags]]) -> (count, ancdata, msg_flags, address)\n\nAs recvmsg, into several buffers."),
        several!(
            c"sendmsg", message::sendmsg, c"sendmsg(buffers[, ancdata[, flags[, address]]]) -> count\n\nSend several buffers as one message with ancillary data, sendmsg(2)."),
        named!(c"sendmsg_afalg", message::sendmsg_afalg, c"sendmsg_afalg([msg], *, op[, iv[, assoclen[, flags]]]) -> count\n\nSet operation, initialisation vector and length of associated data of an AF_ALG socket."),
    ])
}

/// The functions of the module, in a table that lives for ever.
pub fn leaked_functions() -> *mut ffi::PyMethodDef {
    const ALL: c_int = ffi::METH_VARARGS;
    const ONE: c_int = ffi::METH_O;
    let mut table = vec![
        function_of!(ALL, c"gethostbyname", hosts::gethostbyname, c"gethostbyname(host) -> address\n\nA host's first address of IPv4."),
        function_of!(ALL, c"gethostbyname_ex", hosts::gethostbyname_ex, c"gethostbyname_ex(host) -> (name, aliases, addresses)\n\nA host's names and addresses of IPv4, gethostbyname(3)."),
        function_of!(ALL, c"gethostbyaddr", hosts::gethostbyaddr, c"gethostbyaddr(host) -> (name, aliases, addresses)\n\nThe names of an address, gethostbyaddr(3)."),
        function!(c"gethostname", hosts::gethostname, c"gethostname() -> str\n\nThe name of this host, gethostname(2)."),
        function_of!(ALL, c"sethostname", hosts::sethostname, c"sethostname(name)\n\nSet the name of this host, sethostname(2)."),
        function_of!(ALL, c"getservbyname", hosts::getservbyname, c"getservbyname(service[, protocol]) -> port\n\nThe port of a service, getservbyname(3)."),
        function_of!(ALL, c"getservbyport", hosts::getservbyport, c"getservbyport(port[, protocol]) -> service\n\nThe service of a port, getservbyport(3)."),
        function_of!(ALL, c"getprotobyname", hosts::getprotobyname, c"getprotobyname(name) -> int\n\nThe number of a protocol, getprotobyname(3)."),
        function_of!(ONE, c"close", functions::close, c"close(fd)\n\nClose a socket's descriptor, close(2)."),
        function_of!(ONE, c"dup", functions::dup, c"dup(fd) -> fd\n\nA new descriptor of the same socket, not inheritable."),
        function_of!(ALL, c"socketpair", functions::socketpair, c"socketpair([family[, type[, proto]]]) -> (socket, socket)\n\nTwo sockets that are connected, socketpair(2); AF_UNIX unless said otherwise."),
        function_of!(ONE, c"ntohl", functions::swap_long, c"ntohl(integer) -> int\n\n32 bits from network to host byte order."),
        function_of!(ONE, c"htonl", functions::swap_long, c"htonl(integer) -> int\n\n32 bits from host to network byte order."),
        function_of!(ALL, c"inet_pton", functions::inet_pton, c"inet_pton(family, text) -> bytes\n\nAn address from text, inet_pton(3)."),
        function_of!(ALL, c"inet_ntop", functions::inet_ntop, c"inet_ntop(family, bytes) -> str\n\nAn address as text, inet_ntop(3)."),
        {
            unsafe extern "C" fn call(
                _: *mut ffi::PyObject,
                arguments: *mut ffi::PyObject,
                keywords: *mut ffi::PyObject,
            ) -> *mut ffi::PyObject {
                // SAFETY: the interpreter's calling convention.
                raw::give(|py| hosts::getaddrinfo(py, unsafe { Borrowed::from_ptr(py, arguments) }, keywords))
            }
            let pointer = ffi::PyMethodDefPointer { PyCFunctionWithKeywords: call };
            let doc = c"getaddrinfo(host, port[, family[, type[, proto[, flags]]]])\n    -> list of (family, type, proto, canonname, address)\n\nAll addresses of a host and service, getaddrinfo(3).";
            entry(c"getaddrinfo", pointer, ffi::METH_VARARGS | ffi::METH_KEYWORDS, doc)
        },
        function_of!(ALL, c"getnameinfo", hosts::getnameinfo, c"getnameinfo(address, flags) -> (host, service)\n\nHost and service of an address, getnameinfo(3)."),
        function!(c"getdefaulttimeout", functions::getdefaulttimeout, c"getdefaulttimeout() -> seconds or None\n\nThe timeout of new sockets."),
        function_of!(ONE, c"setdefaulttimeout", functions::setdefaulttimeout, c"setdefaulttimeout(seconds)\n\nSet the timeout of new sockets; None: none."),
        function!(c"if_nameindex", hosts::if_nameindex, c"if_nameindex() -> list of (index, name)\n\nThe network interfaces, if_nameindex(3)."),
        function_of!(ONE, c"if_indextoname", hosts::if_indextoname, c"if_indextoname(index) -> name\n\nThe name of a network interface."),
        function_of!(ALL, c"CMSG_LEN", functions::cmsg_len, c"CMSG_LEN(length) -> int\n\nThe size of a control message with so much data, without padding, cmsg(3)."),
        function_of!(ALL, c"CMSG_SPACE", functions::cmsg_space, c"CMSG_SPACE(length) -> int\n\nThe size of a control message with so much data, with padding, cmsg(3)."),
    ];
    // These five have signatures from 3.13 on, and take their argument by itself.
    table.extend(if raw::minor_version() >= 13 {
        [
            function_of!(
                ONE,
                c"ntohs",
                functions::ntohs,
                c"ntohs($self, x, /)\n--\n\n16 bits from network to host byte order."
            ),
            function_of!(
                ONE,
                c"htons",
                functions::htons,
                c"htons($self, x, /)\n--\n\n16 bits from host to network byte order."
            ),
            function_of!(
                ONE,
                c"inet_aton",
                functions::inet_aton,
                c"inet_aton($self, ip_addr, /)\n--\n\nAn address of IPv4 from text, inet_aton(3)."
            ),
            function_of!(
                ONE,
                c"inet_ntoa",
                functions::inet_ntoa,
                c"inet_ntoa($self, packed_ip, /)\n--\n\nAn address of IPv4 as text, inet_ntoa(3)."
            ),
            function_of!(
                ONE,
                c"if_nametoindex",
                hosts::if_nametoindex,
                c"if_nametoindex($self, oname, /)\n--\n\nThe index of a network interface."
            ),
        ]
    } else {
        [
            function_of!(
                ALL,
                c"ntohs",
                functions::ntohs_of_tuple,
                c"ntohs(integer) -> int\n\n16 bits from network to host byte order."
            ),
            function_of!(
                ALL,
                c"htons",
                functions::htons_of_tuple,
                c"htons(integer) -> int\n\n16 bits from host to network byte order."
            ),
            function_of!(
                ALL,
                c"inet_aton",
                functions::inet_aton_of_tuple,
                c"inet_aton(text) -> bytes\n\nAn address of IPv4 from text, inet_aton(3)."
            ),
            function_of!(
                ALL,
                c"inet_ntoa",
                functions::inet_ntoa_of_tuple,
                c"inet_ntoa(bytes) -> str\n\nAn address of IPv4 as text, inet_ntoa(3)."
            ),
            function_of!(
                ALL,
                c"if_nametoindex",
                hosts::if_nametoindex_of_tuple,
                c"if_nametoindex(name) -> int\n\nThe index of a network interface."
            ),
        ]
    });
    leaked(table)
}
