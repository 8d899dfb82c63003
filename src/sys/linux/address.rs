//! Socket addresses as the kernel takes and gives them, sockaddr(3type).

use std::mem::{MaybeUninit, size_of};

/// A `sockaddr_*` of the C library.
///
/// # Safety
/// The type is plain data, valid for any bytes, no larger than `sockaddr_storage`, and begins with `sa_family_t`.
#[expect(unsafe_code, reason = "a promise about the layout of C structs")]
pub unsafe trait Layout: Copy {}

/// `sockaddr_qrtr` of <linux/qrtr.h>, which libc does not have.
#[derive(Clone, Copy)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are the header's")]
pub struct SockaddrQrtr {
    pub sq_family: u16,
    pub sq_node: u32,
    pub sq_port: u32,
}

/// `sockaddr_tipc` of <linux/tipc.h>: an address type, a scope and three words whose meaning the type decides.
#[derive(Clone, Copy)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are the header's")]
pub struct SockaddrTipc {
    pub family: u16,
    pub addrtype: u8,
    pub scope: i8,
    pub words: [u32; 3],
}

/// `sockaddr_can` of <linux/can.h>; `addr` is the union `tp { rx_id, tx_id }` or `j1939 { name: u64, pgn: u32, addr: u8 }`.
#[derive(Clone, Copy)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are the header's")]
pub struct SockaddrCan {
    pub can_family: u16,
    pub can_ifindex: i32,
    pub addr: [u32; 4],
}

macro_rules! layouts {
    ($($name:ty),*) => {$(
        // SAFETY: a struct of integers and byte arrays that begins with the family and fits the storage (checked below).
        #[expect(unsafe_code, reason = "a promise about the layout of C structs")]
        unsafe impl Layout for $name {}
        const _: () = assert!(size_of::<$name>() <= size_of::<libc::sockaddr_storage>());
    )*};
}
layouts!(
    libc::sockaddr,
    libc::sockaddr_in,
    libc::sockaddr_in6,
    libc::sockaddr_un,
    libc::sockaddr_nl,
    libc::sockaddr_ll,
    libc::sockaddr_vm,
    libc::sockaddr_alg,
    SockaddrQrtr,
    SockaddrTipc,
    SockaddrCan
);

/// An address of any family, and how many of its bytes count.
#[derive(Clone, Copy)]
pub struct Address {
    storage: libc::sockaddr_storage,
    /// In bytes; after a call that fills the address, what the kernel said, which may exceed the storage.
    pub length: libc::socklen_t,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("family", &self.family()).field("length", &self.length).finish()
    }
}

impl Address {
    /// The size of the largest address.
    pub const CAPACITY: usize = size_of::<libc::sockaddr_storage>();

    /// All zeros, offering `length` bytes to be filled.
    #[expect(unsafe_code, reason = "zeroed C struct")]
    pub fn room(length: usize) -> Self {
        // SAFETY: a `sockaddr_storage` of zeros is valid.
        let storage = unsafe { std::mem::zeroed() };
        Self { storage, length: length.min(Self::CAPACITY) as libc::socklen_t }
    }

    /// Holds `value`, all of it.
    pub fn of<T: Layout>(value: T) -> Self {
        let mut address = Self::room(size_of::<T>());
        address.set(value);
        address
    }

    /// Writes `value` over the address; the length stays.
    #[expect(unsafe_code, reason = "writes a C struct")]
    pub fn set<T: Layout>(&mut self, value: T) {
        // SAFETY: `Layout` promises that the value fits; the storage is aligned for every address.
        unsafe { (&raw mut self.storage).cast::<T>().write_unaligned(value) };
    }

    /// The address read as a `T`; bytes that were not filled are zero.
    #[expect(unsafe_code, reason = "reads a C struct")]
    pub fn get<T: Layout>(&self) -> T {
        // SAFETY: `Layout` promises plain data that fits; the storage is wholly initialised.
        unsafe { (&raw const self.storage).cast::<T>().read_unaligned() }
    }

    /// A copy of `length` bytes at `address`.
    ///
    /// # Safety
    /// `address` points to `length` readable bytes.
    #[expect(unsafe_code, reason = "copies a sockaddr of the C library")]
    pub unsafe fn copied(address: *const libc::sockaddr, length: libc::socklen_t) -> Self {
        let mut copy = Self::room(length as usize);
        // SAFETY: the source is readable by contract, `room` has clamped the length to the storage.
        unsafe { address.cast::<u8>().copy_to((&raw mut copy.storage).cast(), copy.length as usize) };
        copy
    }

    /// `AF_*`.
    pub fn family(&self) -> i32 {
        i32::from(self.storage.ss_family)
    }

    /// The bytes that count.
    #[expect(unsafe_code, reason = "a C struct as bytes")]
    pub fn bytes(&self) -> &[u8] {
        let length = (self.length as usize).min(Self::CAPACITY);
        // SAFETY: the storage is initialised and at least `length` bytes long.
        unsafe { std::slice::from_raw_parts((&raw const self.storage).cast(), length) }
    }

    /// For a system call that reads the address.
    pub fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    /// For a system call that fills the address.
    pub fn as_mut_ptr(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.storage).cast()
    }
}

/// A place for bytes that a system call fills.
pub type Room = [MaybeUninit<u8>];
