//! Many datagrams a call: recvmmsg(2), sendmmsg(2), and `UDP_SEGMENT`, `UDP_GRO` of udp(7).

use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{SockAddr, SockAddrStorage};

use crate::engine::Descriptor;

/// `UDP_SEGMENT` of <linux/udp.h>: the kernel cuts one send into datagrams of this size.
const UDP_SEGMENT: libc::c_int = 103;
/// `UDP_GRO` of <linux/udp.h>: the kernel joins datagrams of one sender and size, and says which size.
const UDP_GRO: libc::c_int = 104;

/// Room for one control message, aligned for `cmsghdr`.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Control([u8; 64]);

/// One datagram, or several that the kernel joined.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// Bytes in its part of the room.
    pub length: usize,
    /// The size of each of the joined datagrams, but for the last.
    pub segment: Option<usize>,
    /// It was longer than its part of the room.
    pub cut: bool,
    /// It is of the same sender as the one before.
    pub again: bool,
    /// How long the sender's address is.
    name: libc::socklen_t,
}

/// Asks the kernel to join datagrams (`UDP_GRO`).
#[expect(unsafe_code, reason = "setsockopt(2)")]
pub fn join(descriptor: Descriptor) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the value is a live int and as long as we say.
    let status = unsafe { libc::setsockopt(descriptor.0, libc::SOL_UDP, UDP_GRO, (&raw const on).cast(), length) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What the kernel writes beside the datagrams; reused from call to call.
pub struct Beside {
    names: Vec<SockAddrStorage>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
    /// Each points to the name, the control buffer and the vector of its place.
    headers: Vec<libc::mmsghdr>,
    arrived: Vec<Arrived>,
}

// SAFETY: the pointers in `headers` are to the other fields' memory, which stays where it is; those in `vectors` are used
// by the call that sets them alone.
#[expect(unsafe_code, reason = "pointers to memory of its own")]
unsafe impl Send for Beside {}

impl Beside {
    /// For `count` datagrams a call.
    #[expect(unsafe_code, reason = "the structures of recvmmsg(2)")]
    pub fn new(count: usize) -> Self {
        let nothing = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let mut this = Self {
            names: (0..count).map(|_| SockAddrStorage::zeroed()).collect(),
            controls: vec![Control([0; 64]); count],
            vectors: vec![nothing; count],
            headers: Vec::with_capacity(count),
            arrived: Vec::with_capacity(count),
        };
        for place in 0..count {
            // SAFETY: a `mmsghdr` of zeros is valid: null pointers and no lengths.
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            header.msg_hdr.msg_iov = this.vectors.as_mut_ptr().wrapping_add(place);
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = this.names.as_mut_ptr().wrapping_add(place).cast();
            header.msg_hdr.msg_control = this.controls.as_mut_ptr().wrapping_add(place).cast();
            reset(&mut header);
            this.headers.push(header);
        }
        this
    }

    /// What the last call received, in the order of its parts.
    pub fn arrived(&self) -> &[Arrived] {
        &self.arrived
    }

    /// Who sent what arrived in that place.
    pub fn sender(&self, place: usize) -> Option<SocketAddr> {
        named(self.names.get(place)?, self.arrived.get(place)?.name)
    }
}

/// Says again how much room there is.
fn reset(header: &mut libc::mmsghdr) {
    header.msg_hdr.msg_namelen = size_of::<SockAddrStorage>() as libc::socklen_t;
    header.msg_hdr.msg_controllen = size_of::<Control>();
    header.msg_hdr.msg_flags = 0;
}

/// Where one datagram, or what the kernel joined, is received.
pub struct Part<'a> {
    vector: libc::iovec,
    memory: PhantomData<&'a mut [u8]>,
}

impl<'a> From<&'a mut [u8]> for Part<'a> {
    fn from(part: &'a mut [u8]) -> Self {
        let vector = libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() };
        Self { vector, memory: PhantomData }
    }
}

/// Of memory that nobody has written.
impl<'a> From<&'a mut [MaybeUninit<u8>]> for Part<'a> {
    fn from(part: &'a mut [MaybeUninit<u8>]) -> Self {
        let vector = libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() };
        Self { vector, memory: PhantomData }
    }
}

/// Receives into `parts` what is there, one datagram (or what the kernel joined) each; `WouldBlock` if nothing is. So many
/// bytes of a part's start are written then as the [`Arrived`] of its place says.
#[expect(unsafe_code, reason = "recvmmsg(2)")]
pub fn recv<'a>(descriptor: Descriptor, parts: impl Iterator<Item = Part<'a>>, beside: &mut Beside) -> io::Result<()> {
    beside.arrived.clear();
    let mut count = 0;
    for (vector, part) in beside.vectors.iter_mut().zip(parts) {
        *vector = part.vector;
        count += 1;
    }
    let flags = libc::MSG_DONTWAIT;
    // SAFETY: each of so many headers points to a live vector, name and control buffer of the lengths that it says, and the
    // vector to a part that is borrowed for longer than this call.
    let got = unsafe { libc::recvmmsg(descriptor.0, beside.headers.as_mut_ptr(), count, flags, std::ptr::null_mut()) };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    let mut before: &[u8] = &[];
    for (header, name) in beside.headers.iter_mut().zip(&beside.names).take(got) {
        let sender = written(name, header.msg_hdr.msg_namelen);
        beside.arrived.push(Arrived {
            length: header.msg_len as usize,
            segment: segment(&header.msg_hdr),
            cut: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            again: !sender.is_empty() && same(before, sender),
            name: header.msg_hdr.msg_namelen,
        });
        before = sender;
        reset(header);
    }
    Ok(())
}

/// Whether two addresses are the same bytes; IPv4's have 16, and take no call.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    match (one.first_chunk::<16>(), other.first_chunk::<16>()) {
        (Some(first), Some(second)) => first == second && one[16..] == other[16..],
        _ => one == other,
    }
}

/// The bytes of an address as the kernel wrote it.
#[expect(unsafe_code, reason = "the storage of recvmsg(2)")]
fn written(name: &SockAddrStorage, length: libc::socklen_t) -> &[u8] {
    let length = (length as usize).min(size_of::<SockAddrStorage>());
    // SAFETY: the storage was zeros or an address before, so that all of it is written.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(name).cast(), length) }
}

/// The address that the kernel wrote.
#[expect(unsafe_code, reason = "the storage of recvmsg(2)")]
fn named(name: &SockAddrStorage, length: libc::socklen_t) -> Option<SocketAddr> {
    // SAFETY: the storage is as large as any address and was zeros or an address before; the first field of each is the
    // family, which says what the rest is.
    let family = unsafe { std::ptr::from_ref(name).cast::<libc::sa_family_t>().read() };
    if libc::c_int::from(family) == libc::AF_INET && length as usize >= size_of::<libc::sockaddr_in>() {
        // SAFETY: the family says so, and the kernel wrote all of it.
        let four = unsafe { std::ptr::from_ref(name).cast::<libc::sockaddr_in>().read() };
        let ip = Ipv4Addr::from(u32::from_be(four.sin_addr.s_addr));
        return Some(SocketAddr::from((ip, u16::from_be(four.sin_port))));
    }
    // SAFETY: the kernel wrote an address of this length, at most the storage's.
    unsafe { SockAddr::new(std::ptr::from_ref(name).read(), length) }.as_socket()
}

/// The size in a `UDP_GRO` control message.
#[inline]
#[expect(unsafe_code, reason = "cmsg(3)")]
fn segment(header: &libc::msghdr) -> Option<usize> {
    if header.msg_controllen == 0 {
        return None;
    }
    // SAFETY: the control buffer is live, and as long as the kernel left it in the header.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !control.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give headers within the buffer, or null.
        let (level, kind) = unsafe { ((*control).cmsg_level, (*control).cmsg_type) };
        if level == libc::SOL_UDP && kind == UDP_GRO {
            // SAFETY: the data of this message is an int.
            let size = unsafe { libc::CMSG_DATA(control).cast::<libc::c_int>().read_unaligned() };
            return usize::try_from(size).ok().filter(|size| *size > 0);
        }
        // SAFETY: as above.
        control = unsafe { libc::CMSG_NXTHDR(header, control) };
    }
    None
}

/// One send: a datagram, or several of `segment` bytes each (the last may be shorter) that the kernel cuts.
#[derive(Clone, Debug)]
pub struct Leaving<'a> {
    /// Whom it is for; `None` on a connected socket.
    pub to: Option<SocketAddr>,
    /// The bytes, one piece behind the other.
    pub pieces: &'a [IoSlice<'a>],
    /// The size of each datagram.
    pub segment: Option<u16>,
}

/// Sends in order and gives how many of `sends` were taken; `WouldBlock` if none is.
#[expect(unsafe_code, reason = "sendmmsg(2)")]
pub fn send(descriptor: Descriptor, sends: &[Leaving<'_>]) -> io::Result<usize> {
    let names: Vec<Option<SockAddr>> = sends.iter().map(|send| send.to.map(SockAddr::from)).collect();
    let cut = sends.iter().filter(|send| send.segment.is_some()).count();
    let mut controls = vec![Control([0; 64]); cut];
    let mut unused = controls.iter_mut();
    let mut headers = Vec::with_capacity(sends.len());
    for (send, name) in sends.iter().zip(&names) {
        // SAFETY: a `mmsghdr` of zeros is valid: null pointers and no lengths.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        // An `IoSlice` is an `iovec` by its documentation; sendmmsg(2) writes to none.
        header.msg_hdr.msg_iov = send.pieces.as_ptr().cast_mut().cast();
        header.msg_hdr.msg_iovlen = send.pieces.len();
        if let Some(name) = name {
            header.msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = name.len();
        }
        if let Some(size) = send.segment
            && let Some(control) = unused.next()
        {
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            // SAFETY: arithmetic on a length.
            header.msg_hdr.msg_controllen = unsafe { libc::CMSG_SPACE(2) } as usize;
            // SAFETY: the control buffer has room for a header and two bytes.
            unsafe {
                let message = libc::CMSG_FIRSTHDR(&raw const header.msg_hdr);
                (*message).cmsg_level = libc::SOL_UDP;
                (*message).cmsg_type = UDP_SEGMENT;
                (*message).cmsg_len = libc::CMSG_LEN(2) as usize;
                libc::CMSG_DATA(message).cast::<u16>().write_unaligned(size);
            }
        }
        headers.push(header);
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: each header points to a live vector, name and control buffer of the lengths that it says; none is written.
    let sent = unsafe { libc::sendmmsg(descriptor.0, headers.as_mut_ptr(), headers.len() as libc::c_uint, flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}
