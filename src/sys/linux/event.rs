//! A descriptor that one thread signals and another waits for, eventfd(2).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::engine::Descriptor;

/// A descriptor that becomes readable once it is signalled, until it is cleared.
#[derive(Debug)]
pub struct Event(OwnedFd);

impl Event {
    /// An event that has not been signalled.
    #[expect(unsafe_code, reason = "eventfd(2)")]
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor, so nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// What to watch.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor(self.0.as_raw_fd())
    }

    /// Makes the descriptor readable.
    #[expect(unsafe_code, reason = "write(2)")]
    pub fn signal(&self) -> io::Result<()> {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the descriptor is ours and open, the buffer is live and 8 bytes long.
        let written = unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        if written < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Makes the descriptor not readable again.
    #[expect(unsafe_code, reason = "read(2)")]
    pub fn clear(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: the descriptor is ours and open, the buffer is live and 8 bytes long. That there is nothing to read is
        // as good.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}
