//! Waiting for descriptors, ppoll(2).

use std::io;
use std::time::Duration;

use crate::engine::{Interest, Wait};

/// Waits until a watch of `wait` is ready or `timeout` has passed (`None`: without end); its deadline is not read.
///
/// `Ok(true)`: something is ready (errors, hang-ups and invalid descriptors count: the next step will learn which);
/// `Ok(false)`: the time has passed. A signal gives `ErrorKind::Interrupted`.
#[expect(unsafe_code, reason = "ppoll(2)")]
pub fn poll(wait: &Wait, timeout: Option<Duration>) -> io::Result<bool> {
    let mut few = [libc::pollfd { fd: -1, events: 0, revents: 0 }; 4];
    let mut many;
    let entry = |watch: crate::engine::Watch| libc::pollfd {
        fd: watch.descriptor.0,
        events: match watch.interest {
            Interest::Readable => libc::POLLIN | libc::POLLPRI,
            Interest::Writable => libc::POLLOUT,
        },
        revents: 0,
    };
    let count = wait.watches().count();
    let entries = if count <= few.len() {
        for (slot, watch) in few.iter_mut().zip(wait.watches()) {
            *slot = entry(watch);
        }
        &mut few[..count]
    } else {
        many = wait.watches().map(entry).collect::<Vec<_>>();
        &mut many[..]
    };
    let spec = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
    });
    let spec = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `entries` is a live array of that length, `spec` is null or a live timespec, no signal mask is given.
    let ready = unsafe { libc::ppoll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, spec, std::ptr::null()) };
    match ready {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(false),
        _ => Ok(true),
    }
}
