//! The C library's name service: getaddrinfo(3), getnameinfo(3), and the older calls of gethostbyname(3), getservent(3),
//! getprotoent(3). They block, for as long as the resolver's configuration allows.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::{Mutex, PoisonError};

use super::address::Address;

/// `EAI_ADDRFAMILY` of glibc's <netdb.h>: the host has no address of that family.
pub const EAI_ADDRFAMILY: i32 = -9;

/// How many bytes a host's entry may have, names and addresses together.
const ENTRY: usize = 16384;

#[expect(unsafe_code, reason = "functions that the libc crate does not declare")]
unsafe extern "C" {
    fn gethostbyname_r(
        name: *const c_char,
        entry: *mut libc::hostent,
        buffer: *mut c_char,
        size: libc::size_t,
        found: *mut *mut libc::hostent,
        error: *mut c_int,
    ) -> c_int;
    fn gethostbyaddr_r(
        address: *const c_void,
        length: libc::socklen_t,
        family: c_int,
        entry: *mut libc::hostent,
        buffer: *mut c_char,
        size: libc::size_t,
        found: *mut *mut libc::hostent,
        error: *mut c_int,
    ) -> c_int;
    fn __h_errno_location() -> *mut c_int;
    fn inet_pton(family: c_int, text: *const c_char, address: *mut c_void) -> c_int;
    fn inet_ntop(family: c_int, address: *const c_void, text: *mut c_char, size: libc::socklen_t) -> *const c_char;
    fn inet_aton(text: *const c_char, address: *mut libc::in_addr) -> c_int;
}

/// What getaddrinfo(3) is asked for; zero is "any".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// `AF_*`.
    pub family: i32,
    /// `SOCK_*`.
    pub kind: i32,
    /// `IPPROTO_*`.
    pub protocol: i32,
    /// `AI_*`.
    pub flags: i32,
}

/// One answer of getaddrinfo(3).
#[derive(Clone, Debug)]
pub struct Entry {
    /// `AF_*`.
    pub family: i32,
    /// `SOCK_*`.
    pub kind: i32,
    /// `IPPROTO_*`.
    pub protocol: i32,
    /// The canonical name, in the first entry, if it was asked for.
    pub canonical_name: Option<CString>,
    /// The address with the service's port.
    pub address: Address,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// An `EAI_*` code and what gai_strerror(3) says about it.
    Resolver(i32, String),
    /// `EAI_SYSTEM`: the errno.
    System(io::Error),
}

/// getaddrinfo(3).
#[expect(unsafe_code, reason = "getaddrinfo(3)")]
pub fn address_info(host: Option<&CStr>, service: Option<&CStr>, hints: Hints) -> Result<Vec<Entry>, Failure> {
    // SAFETY: an `addrinfo` of zeros is valid: null pointers and "any".
    let mut asked: libc::addrinfo = unsafe { std::mem::zeroed() };
    asked.ai_family = hints.family;
    asked.ai_socktype = hints.kind;
    asked.ai_protocol = hints.protocol;
    asked.ai_flags = hints.flags;
    let mut list = std::ptr::null_mut();
    let (host, service) = (pointer(host), pointer(service));
    // SAFETY: the strings are NUL-terminated or null, the hints and the place for the result are live.
    let code = unsafe { libc::getaddrinfo(host, service, &raw const asked, &raw mut list) };
    if code != 0 {
        return Err(failure(code));
    }
    let mut found = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: the list is getaddrinfo's, complete, and not yet freed; each address has the length beside it.
        unsafe {
            let info = &*entry;
            if !info.ai_addr.is_null() {
                found.push(Entry {
                    family: info.ai_family,
                    kind: info.ai_socktype,
                    protocol: info.ai_protocol,
                    canonical_name: (!info.ai_canonname.is_null()).then(|| CStr::from_ptr(info.ai_canonname).into()),
                    address: Address::copied(info.ai_addr, info.ai_addrlen),
                });
            }
            entry = info.ai_next;
        }
    }
    // SAFETY: `list` came from getaddrinfo and is freed once.
    unsafe { libc::freeaddrinfo(list) };
    Ok(found)
}

/// The internet addresses of `host`, in the order of preference of RFC 6724, each once, with `port` in each.
pub fn addresses(host: &CStr, port: u16, hints: Hints) -> Result<Vec<SocketAddr>, Failure> {
    let mut found = Vec::new();
    for entry in address_info(Some(host), None, hints)? {
        let address = internet(&entry.address).map(|mut address| {
            address.set_port(port);
            address
        });
        found.extend(address.filter(|address| !found.contains(address)));
    }
    Ok(found)
}

/// The internet address in `address`; none for other families.
pub fn internet(address: &Address) -> Option<SocketAddr> {
    let length = address.length as usize;
    match address.family() {
        libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
            let v4 = address.get::<libc::sockaddr_in>();
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
            let v6 = address.get::<libc::sockaddr_in6>();
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// A short text of libc's, kept where it was written: without its NUL, at most `N` bytes.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    room: [MaybeUninit<u8>; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    /// Nothing yet.
    pub const fn empty() -> Self {
        Self { room: [MaybeUninit::uninit(); N], length: 0 }
    }

    /// The text.
    #[expect(unsafe_code, reason = "reading what was written")]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `end` found so many bytes initialised.
        unsafe { std::slice::from_raw_parts(self.room.as_ptr().cast(), self.length) }
    }

    fn as_mut_ptr(&mut self) -> *mut c_char {
        self.room.as_mut_ptr().cast()
    }

    /// Takes note of where the text ends.
    ///
    /// # Safety
    ///
    /// A call has written a NUL-terminated text to `as_mut_ptr`.
    #[expect(unsafe_code, reason = "reading what was written")]
    unsafe fn end(&mut self) {
        // SAFETY: the caller's promise.
        self.length = unsafe { libc::strnlen(self.as_mut_ptr(), N) };
    }
}

/// The names of an address.
#[derive(Clone, Copy)]
pub struct Names {
    /// Of the host.
    pub host: Text<{ libc::NI_MAXHOST as usize }>,
    /// Of the service.
    pub service: Text<32>,
}

impl Names {
    /// None yet.
    pub const fn empty() -> Self {
        Self { host: Text::empty(), service: Text::empty() }
    }
}

/// getnameinfo(3): fills `names`.
#[expect(unsafe_code, reason = "getnameinfo(3)")]
pub fn name_info(address: &Address, flags: i32, names: &mut Names) -> Result<(), Failure> {
    // SAFETY: the address is as long as it says, both buffers are as long as we say.
    let code = unsafe {
        libc::getnameinfo(
            address.as_ptr(),
            address.length,
            names.host.as_mut_ptr(),
            libc::NI_MAXHOST,
            names.service.as_mut_ptr(),
            32,
            flags,
        )
    };
    if code != 0 {
        return Err(failure(code));
    }
    // SAFETY: getnameinfo has NUL-terminated both.
    unsafe {
        names.host.end();
        names.service.end();
    }
    Ok(())
}

/// What the code of getaddrinfo(3) or getnameinfo(3) means.
#[expect(unsafe_code, reason = "gai_strerror(3)")]
fn failure(code: i32) -> Failure {
    if code == libc::EAI_SYSTEM {
        return Failure::System(io::Error::last_os_error());
    }
    // SAFETY: gai_strerror gives a static string for every code.
    let text = unsafe { CStr::from_ptr(libc::gai_strerror(code)) };
    Failure::Resolver(code, text.to_string_lossy().into_owned())
}

/// A host of the older calls: its name, other names, and addresses of one family.
#[derive(Debug)]
pub struct Host {
    /// The official name.
    pub name: CString,
    /// Other names.
    pub aliases: Vec<CString>,
    /// `AF_*`.
    pub family: i32,
    /// 4 or 16 bytes each.
    pub addresses: Vec<Vec<u8>>,
}

/// An `h_errno` and what hstrerror(3) says about it.
pub type HostError = (i32, CString);

/// gethostbyname_r(3).
#[expect(unsafe_code, reason = "gethostbyname_r(3)")]
pub fn host_by_name(name: &CStr) -> Result<Host, HostError> {
    host_entry(|entry, buffer, found, code| {
        // SAFETY: the name is NUL-terminated, the places are live and as long as we say.
        unsafe { gethostbyname_r(name.as_ptr(), entry, buffer.as_mut_ptr(), buffer.len(), found, code) };
    })
}

/// gethostbyaddr_r(3).
#[expect(unsafe_code, reason = "gethostbyaddr_r(3)")]
pub fn host_by_address(address: &[u8], family: i32) -> Result<Host, HostError> {
    let length = address.len() as libc::socklen_t;
    host_entry(|entry, buffer, found, code| {
        let (size, buffer) = (buffer.len(), buffer.as_mut_ptr());
        // SAFETY: the address is as long as we say, the places are live and as long as we say.
        unsafe { gethostbyaddr_r(address.as_ptr().cast(), length, family, entry, buffer, size, found, code) };
    })
}

#[expect(unsafe_code, reason = "reads a hostent")]
fn host_entry(
    ask: impl FnOnce(*mut libc::hostent, &mut [c_char], *mut *mut libc::hostent, *mut c_int),
) -> Result<Host, HostError> {
    let mut buffer = vec![0 as c_char; ENTRY];
    let mut own_code = 0;
    let mut found = std::ptr::null_mut();
    // SAFETY: a `hostent` of zeros is valid: null pointers.
    let mut entry: libc::hostent = unsafe { std::mem::zeroed() };
    ask(&raw mut entry, &mut buffer, &raw mut found, &raw mut own_code);
    // SAFETY: `found` is null, or the entry whose lists end with null and whose strings with NUL; the thread's code lives
    // as long as the thread.
    unsafe {
        if found.is_null() {
            // The thread's, which the standard library tells: it keeps the resolver's word where the call's own says
            // less.
            let code = *__h_errno_location();
            return Err((code, CStr::from_ptr(libc::hstrerror(code)).into()));
        }
        let entry = &*found;
        let length = entry.h_length.unsigned_abs() as usize;
        let address = |at: *mut c_char| std::slice::from_raw_parts(at.cast::<u8>(), length).to_vec();
        Ok(Host {
            name: CStr::from_ptr(entry.h_name).into(),
            aliases: pointers(entry.h_aliases).map(|at| CStr::from_ptr(at).into()).collect(),
            family: entry.h_addrtype,
            addresses: pointers(entry.h_addr_list).map(address).collect(),
        })
    }
}

/// The pointers of a list that ends with null.
///
/// # Safety
/// `list` is null or such a list, and lives while it is read.
#[expect(unsafe_code, reason = "reads a list of the C library")]
unsafe fn pointers(list: *mut *mut c_char) -> impl Iterator<Item = *mut c_char> {
    let mut next = list;
    std::iter::from_fn(move || {
        if next.is_null() {
            return None;
        }
        // SAFETY: not past the null that ends the list.
        let item = unsafe { next.read_unaligned() };
        if item.is_null() {
            return None;
        }
        // SAFETY: as above.
        next = unsafe { next.add(1) };
        Some(item)
    })
}

/// The calls below keep their answer in a static buffer of the C library.
static DATABASE: Mutex<()> = Mutex::new(());

/// getservbyname(3): the port.
#[expect(unsafe_code, reason = "getservbyname(3)")]
pub fn service_port(name: &CStr, protocol: Option<&CStr>) -> Option<u16> {
    let _locked = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the strings are NUL-terminated or null; the answer is read before the lock is released.
    unsafe {
        let found = libc::getservbyname(name.as_ptr(), pointer(protocol));
        (!found.is_null()).then(|| u16::from_be((*found).s_port as u16))
    }
}

/// getservbyport(3): the service's name.
#[expect(unsafe_code, reason = "getservbyport(3)")]
pub fn service_name(port: u16, protocol: Option<&CStr>) -> Option<CString> {
    let _locked = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: as above.
    unsafe {
        let found = libc::getservbyport(c_int::from(port.to_be()), pointer(protocol));
        (!found.is_null()).then(|| CStr::from_ptr((*found).s_name).into())
    }
}

/// getprotobyname(3): the protocol's number.
#[expect(unsafe_code, reason = "getprotobyname(3)")]
pub fn protocol_number(name: &CStr) -> Option<i32> {
    let _locked = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: as above.
    unsafe {
        let found = libc::getprotobyname(name.as_ptr());
        (!found.is_null()).then(|| (*found).p_proto)
    }
}

fn pointer(text: Option<&CStr>) -> *const c_char {
    text.map_or(std::ptr::null(), CStr::as_ptr)
}

/// gethostname(2): Linux keeps at most 64 bytes.
#[expect(unsafe_code, reason = "gethostname(2)")]
pub fn host_name() -> io::Result<Text<128>> {
    let mut name = Text::empty();
    // SAFETY: the room is this long, and longer than every name with its NUL.
    if unsafe { libc::gethostname(name.as_mut_ptr(), 128) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the name was shorter than its room, hence NUL-terminated.
    unsafe { name.end() };
    Ok(name)
}

/// sethostname(2).
#[expect(unsafe_code, reason = "sethostname(2)")]
pub fn set_host_name(name: &[u8]) -> io::Result<()> {
    // SAFETY: the name is as long as we say.
    if unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The index of a network interface by its name, if_nametoindex(3).
#[expect(unsafe_code, reason = "if_nametoindex(3)")]
pub fn interface_index(name: &CStr) -> Option<u32> {
    // SAFETY: the name is NUL-terminated.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// The name of a network interface by its index, if_indextoname(3).
#[expect(unsafe_code, reason = "if_indextoname(3)")]
pub fn interface_name(index: u32) -> io::Result<CString> {
    let mut name = [0 as c_char; libc::IFNAMSIZ + 1];
    // SAFETY: the buffer has room for every name.
    if unsafe { libc::if_indextoname(index, name.as_mut_ptr()) }.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has NUL-terminated it.
    Ok(unsafe { CStr::from_ptr(name.as_ptr()) }.into())
}

/// Index and name of each network interface, if_nameindex(3).
#[expect(unsafe_code, reason = "if_nameindex(3)")]
pub fn interfaces() -> io::Result<Vec<(u32, CString)>> {
    // SAFETY: the call takes nothing; its list ends with index 0, and is freed once.
    unsafe {
        let list = libc::if_nameindex();
        if list.is_null() {
            return Err(io::Error::last_os_error());
        }
        let mut found = Vec::new();
        let mut entry = list;
        while (*entry).if_index != 0 {
            found.push(((*entry).if_index, CStr::from_ptr((*entry).if_name).into()));
            entry = entry.add(1);
        }
        libc::if_freenameindex(list);
        Ok(found)
    }
}

/// inet_pton(3): the bytes of the family's address that `text` spells; 16 bytes of room.
#[expect(unsafe_code, reason = "inet_pton(3)")]
pub fn packed(family: i32, text: &CStr) -> io::Result<Option<[u8; 16]>> {
    let mut address = [0; 16];
    // SAFETY: the text is NUL-terminated, the room is enough for either family.
    match unsafe { inet_pton(family, text.as_ptr(), address.as_mut_ptr().cast()) } {
        0 => Ok(None),
        1 => Ok(Some(address)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// inet_ntop(3) of 4 or 16 bytes.
#[expect(unsafe_code, reason = "inet_ntop(3)")]
pub fn printed(address: &[u8]) -> io::Result<Text<64>> {
    let family = match address.len() {
        4 => libc::AF_INET,
        16 => libc::AF_INET6,
        _ => return Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)),
    };
    let mut text = Text::empty();
    // SAFETY: the address has the family's length, the text has room for every address.
    if unsafe { inet_ntop(family, address.as_ptr().cast(), text.as_mut_ptr(), 64) }.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has NUL-terminated it.
    unsafe { text.end() };
    Ok(text)
}

/// inet_aton(3): also `127.1`, hexadecimal, octal.
#[expect(unsafe_code, reason = "inet_aton(3)")]
pub fn loosely_packed(text: &CStr) -> Option<[u8; 4]> {
    let mut address = libc::in_addr { s_addr: 0 };
    // SAFETY: the text is NUL-terminated, the place is live.
    let valid = unsafe { inet_aton(text.as_ptr(), &raw mut address) };
    (valid != 0).then(|| address.s_addr.to_ne_bytes())
}
