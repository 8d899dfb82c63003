//! Datagrams in batches as a Python object.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyInt, PyList, PyTuple};

use super::face::bytes_of;
use super::joined::Joined;
use crate::engine::{Descriptor, Operation};
use crate::error::Error;
use crate::net::datagrams::{Batch, Lent, RecvBatch, Room, SendBatch};
use crate::net::segments::{self, JoinedRoom, RecvJoined, SendSegments};
use crate::net::timed::AtOnce;
use crate::python::arguments::Timeout;
use crate::python::drive::{self, Pending};
use crate::python::socket::memory::Unseen;
use crate::python::socket::raw::{self, Raised};
use crate::python::{arguments, errors};
use crate::sys;

/// Lists of (bytes, address) in and out of a UDP socket; `framing.DatagramBatch` lays it over one.
#[pyclass(frozen, subclass, module = "eyesocket._native")]
pub struct DatagramBatch {
    lent: Lent,
    room: Arc<Room>,
    joined: Arc<JoinedRoom<Unseen>>,
    gso: bool,
    timeout: Option<Duration>,
    blocks: bool,
    socket: Py<PyAny>,
}

/// The address that a tuple is.
fn read(address: &Bound<'_, PyAny>) -> PyResult<SocketAddr> {
    let wrong = || PyTypeError::new_err(format!("address: (host, port), as getsockname gives it, not {address}"));
    let parts = address.cast::<PyTuple>().map_err(|_| wrong())?;
    if !(2..=4).contains(&parts.len()) {
        return Err(wrong());
    }
    let host: String = parts.get_item(0)?.extract().map_err(|_| wrong())?;
    let number = |at: usize, most: u32, what: &str| match parts.get_item(at) {
        Err(_) => Ok(0),
        Ok(given) if !given.is_instance_of::<PyInt>() => Err(wrong()),
        Ok(given) => match given.extract::<u32>() {
            Ok(number) if number <= most => Ok(number),
            _ => Err(PyValueError::new_err(format!("{what}: {given} is none; they are 0 to {most}"))),
        },
    };
    // No number above 65535 is let through.
    let port = number(1, 65535, "port")? as u16;
    let (flow, scope) = (number(2, (1 << 20) - 1, "flowinfo")?, number(3, u32::MAX, "scope_id")?);
    let ip: IpAddr = host.parse().map_err(|_| {
        PyValueError::new_err(format!("address: {host:?} is a name; datagrams in batches want the numeric address"))
    })?;
    Ok(match ip {
        IpAddr::V4(_) => SocketAddr::new(ip, port),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, flow, scope).into(),
    })
}

fn written<'py>(py: Python<'py>, address: SocketAddr) -> PyResult<Bound<'py, PyTuple>> {
    match address {
        SocketAddr::V4(address) => (address.ip().to_string(), address.port()).into_pyobject(py),
        SocketAddr::V6(address) => {
            (address.ip().to_string(), address.port(), address.flowinfo(), address.scope_id()).into_pyobject(py)
        }
    }
}

/// An address as Python has it; `None` where the kernel told none.
fn sender(py: Python<'_>, from: Option<SocketAddr>) -> PyResult<Bound<'_, PyAny>> {
    match from {
        Some(address) => Ok(written(py, address)?.into_any()),
        None => Ok(py.None().into_bound(py)),
    }
}

fn list<'py>(py: Python<'py>, batch: &Batch) -> PyResult<Bound<'py, PyList>> {
    let mut all = Vec::with_capacity(batch.len());
    let mut address = py.None().into_bound(py);
    for datagrams in batch.iter() {
        if !datagrams.again {
            address = sender(py, batch.sender(&datagrams))?;
        }
        match datagrams.one() {
            Some(bytes) => all.push(pair(bytes, &address)?),
            None => {
                for bytes in datagrams.each() {
                    all.push(pair(bytes, &address)?);
                }
            }
        }
    }
    PyList::new(py, all)
}

#[inline]
fn pair<'py>(bytes: &[u8], address: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match raw::pair(PyBytes::new(address.py(), bytes).as_any(), address) {
        Ok(pair) => Ok(pair),
        Err(Raised) => Err(PyErr::fetch(address.py())),
    }
}

/// A datagram that leaves: bytes where they are, a copy of what may change meanwhile.
enum Payload {
    Bytes(PyBackedBytes),
    Copy(Vec<u8>),
}

impl Payload {
    #[inline]
    fn of(what: &str, object: &Bound<'_, PyAny>) -> PyResult<Self> {
        match object.cast::<PyBytes>() {
            Ok(bytes) => Ok(Self::Bytes(bytes.clone().into())),
            Err(_) => Ok(Self::Copy(bytes_of(what, object)?)),
        }
    }
}

impl AsRef<[u8]> for Payload {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Copy(bytes) => bytes,
        }
    }
}

/// What came joined, as a list; memory that was not used goes back to `room`.
fn joined_list<'py>(
    py: Python<'py>,
    room: &JoinedRoom<Unseen>,
    came: Vec<segments::Joined<Unseen>>,
) -> PyResult<Bound<'py, PyList>> {
    let (mut all, mut spares) = (Vec::with_capacity(came.len()), Vec::new());
    let mut last: Option<(Option<SocketAddr>, Bound<'py, PyAny>)> = None;
    for one in came {
        let (_, address) = match &mut last {
            Some(last) if last.0 == one.from => last,
            last => last.insert((one.from, sender(py, one.from)?)),
        };
        let (made, spare) = Joined::new(py, one, address)?;
        all.push(made);
        spares.extend(spare);
    }
    room.give_back(spares);
    PyList::new(py, all)
}

impl DatagramBatch {
    /// How long a call may take; the socket's own timeout unless one is given.
    fn limit(&self, timeout: Option<Timeout>) -> Option<Duration> {
        Timeout::limit(timeout).or(self.timeout)
    }

    /// Does `operation`, waiting unless the socket is a non-blocking one and no `timeout` was given.
    fn block<O: Operation<Output: Send> + Send>(
        &self,
        py: Python<'_>,
        waits: bool,
        operation: O,
    ) -> PyResult<O::Output> {
        let mut operation = operation;
        if waits || self.blocks {
            return drive::block(py, &mut operation);
        }
        drive::block(py, &mut AtOnce::new("datagrams", operation))
    }

    fn receiving(&self, timeout: Option<Timeout>) -> PyResult<RecvBatch> {
        Ok(RecvBatch::new(self.lent, self.room.clone(), self.limit(timeout)))
    }

    fn receiving_joined(&self, py: Python<'_>, timeout: Option<Timeout>) -> PyResult<RecvJoined<Unseen>> {
        let make = |size| Unseen::new(py, size).map_err(|Raised| PyErr::fetch(py));
        RecvJoined::new(self.lent, self.joined.clone(), self.limit(timeout), make)
    }

    fn sending_segments(
        &self,
        data: &Bound<'_, PyAny>,
        size: &Bound<'_, PyAny>,
        address: Option<&Bound<'_, PyAny>>,
        timeout: Option<Timeout>,
    ) -> PyResult<SendSegments<Payload>> {
        let (size, timeout) = (arguments::size("size", size)?, self.limit(timeout));
        let to = address.map(read).transpose()?;
        let payload = Payload::of("data", data)?;
        SendSegments::new(self.lent, payload, size, to, self.gso, timeout)
            .map_err(|error| errors::exception(data.py(), error))
    }

    fn sending<'py>(&self, datagrams: &Bound<'py, PyAny>, timeout: Option<Timeout>) -> PyResult<SendBatch<Payload>> {
        let room = datagrams.len().unwrap_or(0);
        let mut send = SendBatch::new(self.lent, room, self.limit(timeout));
        // Most lists are for few peers, by the same tuple again and again.
        let mut last: Option<(Bound<'py, PyAny>, Option<SocketAddr>)> = None;
        let mut add = |item: Bound<'py, PyAny>| -> PyResult<()> {
            let (bytes, peer) = match item.cast::<PyTuple>() {
                Ok(two) if two.len() == 2 => (two.get_borrowed_item(0)?, two.get_borrowed_item(1)?),
                _ => return Err(PyTypeError::new_err("datagrams: each is (bytes, address)")),
            };
            let address = match &last {
                Some((known, address)) if known.is(peer) => *address,
                _ => {
                    let address = if peer.is_none() { None } else { Some(read(&peer)?) };
                    last = Some((peer.to_owned(), address));
                    address
                }
            };
            send.push(Payload::of("a datagram", &bytes)?, address, self.gso);
            Ok(())
        };
        match datagrams.cast::<PyList>() {
            Ok(list) => list.iter().try_for_each(&mut add)?,
            Err(_) => datagrams.try_iter()?.try_for_each(|item| add(item?))?,
        }
        Ok(send)
    }
}

#[pymethods]
impl DatagramBatch {
    #[new]
    #[pyo3(signature = (socket, descriptor, count, size, gro, gso, timeout, blocks))]
    #[expect(clippy::too_many_arguments, reason = "what a socket is, from the one place that asks it")]
    fn new(
        py: Python<'_>,
        socket: Py<PyAny>,
        descriptor: i32,
        count: &Bound<'_, PyAny>,
        size: &Bound<'_, PyAny>,
        gro: &Bound<'_, PyAny>,
        gso: &Bound<'_, PyAny>,
        timeout: Option<Timeout>,
        blocks: bool,
    ) -> PyResult<Self> {
        let descriptor = Descriptor(descriptor);
        let (gro, gso) = (arguments::flag("gro", gro)?, arguments::flag("gso", gso)?);
        let (family, kind): (i32, i32) =
            (socket.getattr(py, "family")?.extract(py)?, socket.getattr(py, "type")?.extract(py)?);
        if !(matches!(family, libc::AF_INET | libc::AF_INET6) && kind == libc::SOCK_DGRAM) {
            return Err(PyValueError::new_err(
                "sock: datagrams in batches are UDP's; give a socket of AF_INET or AF_INET6 and SOCK_DGRAM",
            ));
        }
        let lent = Lent::new(descriptor).map_err(|error| errors::exception(py, error))?;
        let (count, size) = (arguments::count("count", count, 1, 1024)?, arguments::count("size", size, 1, 65_535)?);
        let room = Room::new(count, size).map_err(|error| errors::exception(py, error))?;
        let joined = JoinedRoom::new(count, size).map_err(|error| errors::exception(py, error))?;
        if gro {
            sys::datagram::join(descriptor).map_err(|error| errors::exception(py, Error::os("setsockopt", &error)))?;
        }
        Ok(Self {
            lent,
            room: Arc::new(room),
            joined: Arc::new(joined),
            gso,
            timeout: Timeout::limit(timeout),
            blocks,
            socket,
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.socket)
    }

    /// The socket that this is laid over.
    #[getter]
    fn socket(&self, py: Python<'_>) -> Py<PyAny> {
        self.socket.clone_ref(py)
    }

    /// Receive the datagrams that are there, at least one, as a list of (bytes, address).
    #[pyo3(signature = (timeout=None))]
    fn recv<'py>(&self, py: Python<'py>, timeout: Option<Timeout>) -> PyResult<Bound<'py, PyList>> {
        let batch = self.block(py, timeout.is_some(), self.receiving(timeout)?)?;
        list(py, &batch)
    }

    /// The same, to be awaited.
    #[pyo3(signature = (timeout=None))]
    fn recv_async(&self, timeout: Option<Timeout>) -> PyResult<Pending> {
        Ok(drive::pending(self.receiving(timeout)?, |py, batch| Ok(list(py, &batch)?.into_any().unbind())))
    }

    /// Send all (bytes, address) in order; None for an address is the peer of a connected socket.
    #[pyo3(signature = (datagrams, timeout=None))]
    fn send(&self, py: Python<'_>, datagrams: &Bound<'_, PyAny>, timeout: Option<Timeout>) -> PyResult<()> {
        self.block(py, timeout.is_some(), self.sending(datagrams, timeout)?)
    }

    /// The same, to be awaited.
    #[pyo3(signature = (datagrams, timeout=None))]
    fn send_async(&self, datagrams: &Bound<'_, PyAny>, timeout: Option<Timeout>) -> PyResult<Pending> {
        Ok(drive::pending(self.sending(datagrams, timeout)?, |py, ()| Ok(py.None())))
    }

    /// Receive what is there, at least one, as a list of `Joined`: datagrams of a sender in one piece.
    #[pyo3(signature = (timeout=None))]
    fn recv_joined<'py>(&self, py: Python<'py>, timeout: Option<Timeout>) -> PyResult<Bound<'py, PyList>> {
        let came = self.block(py, timeout.is_some(), self.receiving_joined(py, timeout)?)?;
        joined_list(py, &self.joined, came)
    }

    /// The same, to be awaited.
    #[pyo3(signature = (timeout=None))]
    fn recv_joined_async(&self, py: Python<'_>, timeout: Option<Timeout>) -> PyResult<Pending> {
        let room = self.joined.clone();
        let convert = move |py: Python<'_>, came| Ok(joined_list(py, &room, came)?.into_any().unbind());
        Ok(drive::pending(self.receiving_joined(py, timeout)?, convert))
    }

    /// Send `data` as datagrams of `size` bytes each, the last what is left; None for the address is the peer of a
    /// connected socket.
    #[pyo3(signature = (data, size, address=None, timeout=None))]
    fn send_segments(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        size: &Bound<'_, PyAny>,
        address: Option<&Bound<'_, PyAny>>,
        timeout: Option<Timeout>,
    ) -> PyResult<()> {
        self.block(py, timeout.is_some(), self.sending_segments(data, size, address, timeout)?)
    }

    /// The same, to be awaited.
    #[pyo3(signature = (data, size, address=None, timeout=None))]
    fn send_segments_async(
        &self,
        data: &Bound<'_, PyAny>,
        size: &Bound<'_, PyAny>,
        address: Option<&Bound<'_, PyAny>>,
        timeout: Option<Timeout>,
    ) -> PyResult<Pending> {
        Ok(drive::pending(self.sending_segments(data, size, address, timeout)?, |py, ()| Ok(py.None())))
    }
}
