//! Python code where no signal handler runs in the middle of it.
//!
//! The interpreter runs handlers on the main thread alone, between any two of its steps and within calls of OpenSSL's
//! binding: one that raises there (Ctrl-C) would take along what the call has just given. So what must not be torn apart
//! runs on another thread while the main one waits; handlers have their turn when it goes on.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;

use crate::sys::process;

type Work = Box<dyn FnOnce() + Send>;

/// The other thread's jobs, and of which process it is.
static THREAD: Mutex<Option<(u32, Sender<Work>)>> = Mutex::new(None);

/// Does `work`, which attaches to the interpreter itself; None if it did not come to its end.
pub fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    if !process::is_main_thread() || Python::attach(ending) {
        return Some(work());
    }
    let (tell, told) = mpsc::sync_channel(1);
    // Nobody may wait for it any more.
    let job: Work = Box::new(move || drop(tell.send(work())));
    match hand_over(job) {
        Ok(()) => Python::attach(|py| py.detach(move || told.recv().ok())),
        // Without memory for a thread: here, then.
        Err(job) => {
            job();
            told.try_recv().ok()
        }
    }
}

/// Whether the interpreter shuts down: no other thread gets at it any more.
fn ending(py: Python<'_>) -> bool {
    let asked = py.import(intern!(py, "sys")).and_then(|sys| sys.call_method0(intern!(py, "is_finalizing")));
    asked.and_then(|ending| ending.extract()).unwrap_or(true)
}

fn hand_over(job: Work) -> Result<(), Work> {
    let generation = process::generation();
    let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    let job = match thread.as_ref().filter(|(process, _)| *process == generation) {
        Some((_, jobs)) => match jobs.send(job) {
            Ok(()) => return Ok(()),
            Err(unsent) => unsent.0,
        },
        None => job,
    };
    let (jobs, given) = mpsc::channel();
    let begun = std::thread::Builder::new().name("eyesocket-aside".into()).spawn(move || serve(&given));
    if begun.is_err() {
        return Err(job);
    }
    let handed = jobs.send(job).map_err(|unsent| unsent.0);
    *thread = Some((generation, jobs));
    handed
}

fn serve(given: &Receiver<Work>) {
    while let Ok(job) = given.recv() {
        // A panic ends this job alone; its channel says so to who waits.
        drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)));
    }
}
