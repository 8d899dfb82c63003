//! Receiving and sending on a descriptor that somebody else owns: recv(2), send(2). All but one never wait.

use std::io;
use std::mem::MaybeUninit;

use crate::engine::Descriptor;

/// Receives at most `buffer.len()` bytes; 0 is the end of the stream. `WouldBlock` when there is nothing yet.
#[expect(unsafe_code, reason = "recv(2)")]
pub fn recv(descriptor: Descriptor, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is valid for writes of its length; the kernel checks the descriptor.
    let got = unsafe { libc::recv(descriptor.0, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
    usize::try_from(got).map_err(|_| io::Error::last_os_error())
}

/// Sends what the kernel takes of `bytes` at once. `WouldBlock` when it takes nothing; no SIGPIPE.
#[expect(unsafe_code, reason = "send(2)")]
pub fn send(descriptor: Descriptor, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the buffer is valid for reads of its length; the kernel checks the descriptor.
    let sent = unsafe { libc::send(descriptor.0, bytes.as_ptr().cast(), bytes.len(), flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Receives into memory that nobody has written: so many bytes of its start are written then. As [`recv`] otherwise.
#[expect(unsafe_code, reason = "recv(2) into memory that is not written before")]
pub fn recv_uninit(descriptor: Descriptor, room: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
    // SAFETY: `room` is valid for writes of its length; the kernel checks the descriptor.
    let got = unsafe { libc::recv(descriptor.0, room.as_mut_ptr().cast(), room.len(), libc::MSG_DONTWAIT) };
    usize::try_from(got).map_err(|_| io::Error::last_os_error())
}

/// Receives at most `most` bytes behind what `buffer` holds; 0 is the end of the stream. `WouldBlock` as in [`recv`].
pub fn recv_append(descriptor: Descriptor, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    append(descriptor, buffer, most, libc::MSG_DONTWAIT)
}

/// As [`recv_append`], but waits as the socket's flags and its `SO_RCVTIMEO` say: socket(7).
pub fn recv_append_waiting(descriptor: Descriptor, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
    append(descriptor, buffer, most, 0)
}

#[expect(unsafe_code, reason = "recv(2) into memory that is not written before")]
fn append(descriptor: Descriptor, buffer: &mut Vec<u8>, most: usize, flags: libc::c_int) -> io::Result<usize> {
    buffer.reserve(most);
    let spare = &mut buffer.spare_capacity_mut()[..most];
    // SAFETY: `spare` is valid for writes of its length; the kernel checks the descriptor.
    let got = unsafe { libc::recv(descriptor.0, spare.as_mut_ptr().cast(), spare.len(), flags) };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: the kernel has written `got` bytes, at most `most`, right behind the old length.
    unsafe { buffer.set_len(buffer.len() + got) };
    Ok(got)
}

/// Which open file a descriptor names: numbers are given again after close(2), this is not while the file is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(u64, u64);

/// Asks which file the descriptor names now, fstat(2).
#[expect(unsafe_code, reason = "fstat(2)")]
pub fn identity(descriptor: Descriptor) -> io::Result<Identity> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `status` is valid for writes of a stat structure.
    if unsafe { libc::fstat(descriptor.0, status.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, so the kernel has filled it.
    let status = unsafe { status.assume_init() };
    Ok(Identity(status.st_dev, status.st_ino))
}
