//! Answering what comes, in one call: decode, hand each frame to a plain handler, encode what it gives.
//!
//! A call stops where its answers are many or have taken long: what they are sent by may have no room for more, and other
//! peers wait for their turn. The frames it leaves wait for the next call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use super::codec::Codec;
use super::face::Face;
use super::inbox::{Failure, Inbox, Refused};
use super::read_room::ReadRoom;
use crate::framing::decoder;
use crate::python::errors;
use crate::sys::clock;

/// After so many bytes of answers, or so long, the rest has to wait.
const MOST_BYTES: usize = 256 * 1024;
const MOST_TIME: Duration = Duration::from_millis(5);

/// Bytes in, answers out, for one connection; `framing.serve` makes them.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct Responder {
    /// Of all connections: that many faces would be memory, each of it cold when its peer says something.
    codec: Py<Codec>,
    core: Mutex<decoder::Decoder>,
    refused: Refused,
    handler: Py<PyAny>,
    peer: Py<PyString>,
    per_batch: bool,
    /// Frames that a call left, from this one on.
    left: Mutex<Option<(Py<PyList>, usize)>>,
    /// How often something was handed to the handler.
    handed: AtomicU64,
    sink: Mutex<Option<Sink>>,
    /// Where what is received is, if it does not come as an object of its own.
    room: Option<Py<ReadRoom>>,
}

/// Where the answers to what is `received` go.
struct Sink {
    /// Takes bytes.
    write: Py<PyAny>,
    /// Its method `settle` takes what `feed` gives beyond bytes alone.
    owner: Py<PyAny>,
    /// How many calls of `received` are under way: they need it to their ends.
    calls: usize,
    /// No further one may begin.
    ended: bool,
}

/// What to send, and what there is to say beyond it.
#[derive(Default)]
struct Answers<'py> {
    bytes: Vec<u8>,
    /// Of the handler, or of the stream.
    error: Option<PyErr>,
    handlers: bool,
    /// What the handler gave at last, where the error is its own.
    reply: Option<Bound<'py, PyAny>>,
}

impl<'py> Answers<'py> {
    /// Encodes one reply; what is not whole does not go out.
    fn reply(&mut self, face: &Face, reply: &Bound<'py, PyAny>) -> PyResult<()> {
        let before = self.bytes.len();
        face.encode(reply, &mut self.bytes).inspect_err(|_| self.bytes.truncate(before))
    }

    fn blame(&mut self, error: PyErr, reply: Option<Bound<'py, PyAny>>) {
        (self.error, self.handlers, self.reply) = (Some(error), true, reply);
    }
}

impl Responder {
    fn face(&self) -> &Face {
        &self.codec.get().face
    }

    fn inbox(&self) -> Inbox<'_> {
        Inbox { face: self.face(), core: &self.core, refused: &self.refused }
    }

    /// Answers these frames from the one at `first` on; those before one that fails are answered nevertheless. Whether
    /// `enough` of them stopped it.
    fn answer<'py>(
        &self,
        py: Python<'py>,
        frames: &Bound<'py, PyList>,
        first: usize,
        answers: &mut Answers<'py>,
        enough: impl Fn(&Answers<'py>) -> bool,
    ) {
        let (handler, peer) = (self.handler.bind(py), self.peer.bind(py));
        self.handed.fetch_add(1, Ordering::Relaxed);
        if self.per_batch {
            let reply = match handler.call1((frames, peer)) {
                Ok(reply) if reply.is_none() => return,
                Ok(reply) => reply,
                Err(error) => return answers.blame(error, None),
            };
            let done = reply.try_iter().and_then(|mut each| each.try_for_each(|one| answers.reply(self.face(), &one?)));
            if let Err(error) = done {
                answers.blame(error, Some(reply));
            }
            return;
        }
        for (index, frame) in frames.iter().enumerate().skip(first) {
            if index > first && enough(answers) {
                *self.left() = Some((frames.clone().unbind(), index));
                return;
            }
            let reply = match handler.call1((frame, peer)) {
                Ok(reply) if reply.is_none() => continue,
                Ok(reply) => reply,
                Err(error) => return answers.blame(error, None),
            };
            if let Err(error) = answers.reply(self.face(), &reply) {
                return answers.blame(error, Some(reply));
            }
        }
    }

    /// Held for no call of Python.
    fn sink(&self) -> MutexGuard<'_, Option<Sink>> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of what answers went to.
    fn forget(&self) {
        let before = self.sink().take();
        drop(before);
    }

    /// Hands `answers` to whom they are for.
    #[inline]
    fn give<'py>(&self, py: Python<'py>, write: &Py<PyAny>, answers: &Bound<'py, PyAny>) -> PyResult<()> {
        if let Ok(bytes) = answers.cast_exact::<PyBytes>() {
            return if bytes.as_bytes().is_empty() { Ok(()) } else { write.call1(py, (bytes,)).map(drop) };
        }
        // Not looked at before: most that is received needs no more of it than its memory.
        let owner = self.sink().as_ref().map(|sink| sink.owner.clone_ref(py));
        owner.map_or(Ok(()), |owner| owner.call_method1(py, intern!(py, "settle"), (answers,)).map(drop))
    }

    fn left(&self) -> MutexGuard<'_, Option<(Py<PyList>, usize)>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond<'py>(
        &self,
        py: Python<'py>,
        frames: Result<Bound<'py, PyList>, Failure>,
        first: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let began = clock::coarse();
        let enough =
            |answers: &Answers<'py>| answers.bytes.len() >= MOST_BYTES || clock::coarse().since(began) >= MOST_TIME;
        let mut answers = Answers::default();
        let (mut frames, mut first) = (frames, first);
        loop {
            match frames {
                Ok(list) if list.is_empty() => break,
                Ok(list) => self.answer(py, &list, first, &mut answers, enough),
                Err(Failure::Stream(error)) => answers.error = Some(errors::exception(py, error)),
                Err(Failure::Value(error)) => answers.error = Some(error),
            }
            if answers.error.is_some() {
                break;
            }
            if self.left().is_some() {
                return Ok((PyBytes::new(py, &answers.bytes),).into_pyobject(py)?.into_any());
            }
            // An error behind these frames is told now.
            first = 0;
            frames = self.inbox().take(py, usize::MAX, usize::MAX);
        }
        let bytes = PyBytes::new(py, &answers.bytes);
        if answers.error.is_none() && !self.inbox().at_end(py) {
            return Ok(bytes.into_any());
        }
        let error = answers.error.map(|error| error.into_value(py));
        Ok((bytes, error, answers.handlers, answers.reply).into_pyobject(py)?.into_any())
    }
}

#[pymethods]
impl Responder {
    #[new]
    #[pyo3(signature = (codec, handler, peer, per_batch, room=None))]
    fn new(
        codec: Py<Codec>,
        handler: Py<PyAny>,
        peer: Py<PyString>,
        per_batch: bool,
        room: Option<Py<ReadRoom>>,
    ) -> Self {
        let core = Mutex::new(decoder::Decoder::new(Arc::clone(&codec.get().face.core)));
        Self {
            codec,
            core,
            refused: Refused::default(),
            handler,
            peer,
            per_batch,
            left: Mutex::default(),
            handed: AtomicU64::new(0),
            sink: Mutex::default(),
            room,
        }
    }

    /// From now on what is received is answered: by `write` of bytes, or by `settle` of `owner`, which takes what else `feed`
    /// gives.
    fn connect(&self, write: Py<PyAny>, owner: Py<PyAny>) {
        let before = self.sink().replace(Sink { write, owner, calls: 0, ended: false });
        drop(before);
    }

    /// From now on what is received is dropped.
    fn disconnect(&self) {
        let ended = self.sink().as_mut().is_some_and(|sink| {
            sink.ended = true;
            sink.calls == 0
        });
        if ended {
            self.forget();
        }
    }

    /// Take bytes of the stream, and answer them as `connect` said.
    fn received<'py>(&self, py: Python<'py>, data: &Bound<'py, PyBytes>) -> PyResult<()> {
        let write = match &mut *self.sink() {
            Some(sink) if !sink.ended => {
                sink.calls += 1;
                sink.write.clone_ref(py)
            }
            _ => return Ok(()),
        };
        let done = self.feed(py, data).and_then(|answers| self.give(py, &write, &answers));
        let ended = self.sink().as_mut().is_some_and(|sink| {
            sink.calls = sink.calls.saturating_sub(1);
            sink.ended && sink.calls == 0
        });
        if ended {
            self.forget();
        }
        done
    }

    /// The same for so many bytes of the room.
    fn updated(&self, py: Python<'_>, count: usize) -> PyResult<()> {
        match &self.room {
            Some(room) => self.received(py, &room.get().read(py, count)),
            None => Ok(()),
        }
    }

    /// Take bytes of the stream; give those of the answers to the frames that they complete.
    ///
    /// Where they are many, or take long, a tuple of the bytes so far: `rest` gives what follows, before anything else.
    /// At the end of it all a longer one: the answers' bytes; the error of the stream or the handler, or None for an end
    /// without one; whether the error is the handler's; what the handler gave where that is what is wrong.
    fn feed<'py>(&self, py: Python<'py>, data: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
        let inbox = self.inbox();
        if inbox.core(py).has_eof() {
            return Err(PyValueError::new_err("data: the stream has ended, eof() said so"));
        }
        if self.left().is_some() {
            inbox.core(py).feed(data.as_bytes());
            return self.rest(py);
        }
        let frames = inbox.decode(py, data.as_bytes());
        self.respond(py, frames, 0)
    }

    /// Answer what the last call left; the same as `feed` gives.
    fn rest<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let left = self.left().take();
        let (frames, first) = match left {
            Some((frames, first)) => (Ok(frames.into_bound(py)), first),
            None => (self.inbox().take(py, usize::MAX, usize::MAX), 0),
        };
        self.respond(py, frames, first)
    }

    /// Say that the stream has ended; the same as `feed` gives.
    fn eof<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let inbox = self.inbox();
        inbox.core(py).eof();
        self.rest(py)
    }

    /// How often messages that came together were handed to the handler: as long as it is the same, none has come.
    #[getter]
    fn messages(&self) -> u64 {
        self.handed.load(Ordering::Relaxed)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.handler)?;
        if let Ok(left) = self.left.try_lock()
            && let Some((frames, _)) = &*left
        {
            visit.call(frames)?;
        }
        if let Ok(sink) = self.sink.try_lock()
            && let Some(Sink { write, owner, .. }) = &*sink
        {
            visit.call(write)?;
            visit.call(owner)?;
        }
        visit.call(&self.codec)
    }

    fn __clear__(&self) {
        if let Ok(mut sink) = self.sink.try_lock() {
            let taken = sink.take();
            drop(sink);
            drop(taken);
        }
    }
}
