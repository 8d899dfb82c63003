//! Whether this is still the process that something was made in, pthread_atfork(3), and which thread, gettid(2).

use std::cell::Cell;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

extern "C" fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// How many times fork(2) led to this process since the first call; costs no system call. A child that was made without
/// the C library (a bare clone(2)) is not counted.
#[expect(unsafe_code, reason = "pthread_atfork(3)")]
pub fn generation() -> u32 {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: the handler lives as long as the program, and adds to an atomic, which a child may do after fork(2).
        // Where memory lacks for it (ENOMEM, the one error) forks go unnoticed.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(forked)) };
    });
    GENERATION.load(Ordering::Relaxed)
}

thread_local! {
    /// What was found, and in which process: who forks is a child's first thread.
    static IS_MAIN: Cell<Option<(u32, bool)>> = const { Cell::new(None) };
}

/// Whether this is the process's first thread, the one that the interpreter runs signal handlers on.
pub fn is_main_thread() -> bool {
    let process = generation();
    match IS_MAIN.get() {
        Some((known, is_main)) if known == process => is_main,
        _ => {
            let is_main = is_first_thread();
            IS_MAIN.set(Some((process, is_main)));
            is_main
        }
    }
}

#[expect(unsafe_code, reason = "gettid(2)")]
fn is_first_thread() -> bool {
    // SAFETY: the call takes no pointers and cannot fail.
    u32::try_from(unsafe { libc::gettid() }) == Ok(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::generation;

    #[test]
    #[expect(unsafe_code, reason = "fork(2)")]
    fn a_child_is_another_generation() {
        let before = generation();
        // SAFETY: the child calls nothing that locks or allocates, and leaves by _exit(2).
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe { libc::_exit(i32::from(generation() == before)) };
        }
        let mut status = 0;
        // SAFETY: the status is live.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        assert_eq!(generation(), before);
    }
}
