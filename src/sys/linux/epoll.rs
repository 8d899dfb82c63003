//! A set of descriptors that are waited for as one, epoll(7).

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::engine::{Descriptor, Interest};

/// A descriptor that becomes readable once one of its set is ready.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// How many ready descriptors one call tells at most.
const AT_ONCE: usize = 256;

impl Epoll {
    /// An empty set.
    #[expect(unsafe_code, reason = "epoll_create1(2)")]
    pub fn new() -> io::Result<Self> {
        // SAFETY: the call takes no pointers.
        let descriptor = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
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

    /// Lets the set tell once that `descriptor` is ready. A descriptor that is closed leaves the set by itself.
    pub fn arm(&self, descriptor: Descriptor, interest: Interest) -> io::Result<()> {
        match self.control(libc::EPOLL_CTL_MOD, descriptor, interest) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.control(libc::EPOLL_CTL_ADD, descriptor, interest)
            }
            other => other,
        }
    }

    #[expect(unsafe_code, reason = "epoll_ctl(2)")]
    fn control(&self, operation: i32, descriptor: Descriptor, interest: Interest) -> io::Result<()> {
        let events = match interest {
            Interest::Readable => libc::EPOLLIN,
            Interest::Writable => libc::EPOLLOUT,
        };
        let mut event =
            libc::epoll_event { events: (events | libc::EPOLLONESHOT).cast_unsigned(), u64: number(descriptor) };
        // SAFETY: the set is ours and open, and `event` is live.
        let done = unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, descriptor.0, &raw mut event) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Takes those that are ready, without waiting; each is told once.
    #[expect(unsafe_code, reason = "epoll_wait(2)")]
    pub fn ready(&self, descriptors: &mut Vec<Descriptor>) -> io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; AT_ONCE];
        // SAFETY: the set is ours and open, `events` is live and AT_ONCE long.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), AT_ONCE as i32, 0) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        descriptors.extend(events[..count].iter().map(|event| descriptor(event.u64)));
        Ok(())
    }
}

fn number(descriptor: Descriptor) -> u64 {
    u64::from(descriptor.0.cast_unsigned())
}

fn descriptor(number: u64) -> Descriptor {
    // It was made of one by `number`, so nothing is cut off.
    Descriptor((number as u32).cast_signed())
}
