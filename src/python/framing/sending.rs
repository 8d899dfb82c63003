//! Sending on a framed socket, blocked or awaited: frames in batches of whole ones, and what a refused one leaves behind.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use super::face::{self, Encoded, refused};
use super::socket::FramedSocket;
use crate::engine::{Operation, Step, Timer};
use crate::net::framed::{Patience, Send};
use crate::python::arguments::Timeout;
use crate::python::drive::{self, Machine, Pending};
use crate::python::errors;
use crate::sys;

/// How many encoded bytes one send hands to the kernel at a time.
const SEND_BATCH: usize = 256 * 1024;

/// What went out of this batch stands on the exception; adds the batches before it.
fn sent_before(py: Python<'_>, error: PyErr, before: usize) -> PyErr {
    let sent: usize = error.value(py).getattr(intern!(py, "sent")).and_then(|sent| sent.extract()).unwrap_or(0);
    drop(error.value(py).setattr(intern!(py, "sent"), before + sent));
    error
}

/// A frame was refused; the `frames` before it have gone out, `sent` bytes.
fn sent_all(py: Python<'_>, error: PyErr, sent: usize, frames: usize) -> PyErr {
    drop(error.value(py).setattr(intern!(py, "sent"), sent));
    refused(py, error, frames)
}

impl FramedSocket {
    pub(super) fn send_all(&self, py: Python<'_>, frames: &Bound<'_, PyAny>, patience: Patience) -> PyResult<()> {
        let mut timer: Option<Timer> = None;
        let (mut before, mut count) = (0, 0);
        let expected = face::count(frames);
        let mut frames = frames.try_iter()?;
        loop {
            let Encoded { bytes, ends, refused } = self.face.encode_many(&mut frames, expected, SEND_BATCH);
            let (length, more) = (bytes.len(), ends.len());
            if more > 0 {
                let mut send = Send::new(self.framed.clone(), bytes, ends, patience).with_timer(timer);
                drive::block(py, &mut send).map_err(|error| sent_before(py, error, before))?;
                timer = Some(send.timer());
                before += length;
                count += more;
            }
            match refused {
                Some(error) => return Err(sent_all(py, error, before, count)),
                None if more == 0 => return Ok(()),
                None => {}
            }
        }
    }

    pub(super) fn sending(slf: Py<Self>, encoded: Encoded, timeout: Option<Timeout>) -> PyResult<Pending> {
        let Encoded { bytes, ends, refused } = encoded;
        let this = slf.get();
        let (length, count) = (bytes.len(), ends.len());
        let send = Send::new(this.framed.clone(), bytes, ends, this.limit(timeout)?);
        let refused = refused.map(|error| (error, length, count));
        Ok(drive::awaitable(Sending { socket: slf, send, refused }))
    }
}

/// A send to be awaited. It keeps the socket: nobody else may hold it until all has gone out.
struct Sending {
    socket: Py<FramedSocket>,
    send: Send,
    /// The frame that ended the batch, and what is in front of it: bytes and frames.
    refused: Option<(PyErr, usize, usize)>,
}

impl Machine for Sending {
    fn step(&mut self, py: Python<'_>) -> PyResult<Step<Py<PyAny>>> {
        let send = &mut self.send;
        match py.detach(|| send.step(sys::clock::now())).map_err(|error| errors::exception(py, error))? {
            Step::Done(()) => match self.refused.take() {
                Some((error, sent, frames)) => Err(sent_all(py, error, sent, frames)),
                None => Ok(Step::Done(py.None())),
            },
            Step::Wait(wait) => Ok(Step::Wait(wait)),
        }
    }

    fn sent(&mut self) -> Option<usize> {
        self.send.sent()
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.socket)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // Withdrawing waits for a lock whose holder may wait for the interpreter.
        let send = &mut self.send;
        Python::try_attach(|py| py.detach(|| send.sent()));
    }
}
