//! Events as tuples; the package makes its result classes of them.

use std::net::IpAddr;
use std::time::Duration;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::packet::icmp::{IcmpError, Version};
use crate::probe::observation::Refusal;
use crate::probe::ping::Event;
use crate::probe::{path_mtu, trace};

/// A label stack: label, class, bottom, TTL.
type Labels = Vec<(u32, u8, bool, u8)>;

/// An ICMP error: version, type, code, name, mtu, gateway, pointer, labels.
type Error = (u8, u8, u8, String, Option<u32>, Option<String>, Option<u32>, Labels);

/// The fields of an ICMP error.
pub fn error(error: &IcmpError) -> Error {
    let version = if error.version == Version::V4 { 4 } else { 6 };
    let labels = error.labels.iter().map(|label| (label.label, label.class, label.bottom, label.ttl)).collect();
    let gateway = error.gateway.map(|gateway| gateway.to_string());
    (version, error.kind, error.code, error.name().into_owned(), error.mtu, gateway, error.pointer, labels)
}

/// An errno, and its text.
pub fn refusal(refusal: Refusal) -> (i32, String, Option<u32>) {
    (refusal.errno, super::super::errors::strerror(refusal.errno), refusal.mtu)
}

fn heard(time: Duration, source: IpAddr) -> (f64, String) {
    (time.as_secs_f64(), source.to_string())
}

/// An event of a traceroute: TTL, query, flow, size, kind, details, source, (time, clock), reply's TTL, quoted TTL.
pub fn trace<'py>(py: Python<'py>, event: trace::Event) -> PyResult<Bound<'py, PyTuple>> {
    let (kind, details) = match event.outcome {
        trace::Outcome::Reached(manner) => ("reached", manner.name().into_py_any(py)?),
        trace::Outcome::Error(error) => ("error", self::error(&error).into_py_any(py)?),
        trace::Outcome::Silence => ("silence", py.None()),
        trace::Outcome::Refused(refusal) => ("refused", self::refusal(refusal).into_py_any(py)?),
    };
    let source = event.source.map(|source| source.to_string());
    let time = event.time.map(|(time, clock)| (time.as_secs_f64(), clock.name()));
    let head = (event.ttl, event.query, event.flow, event.size);
    (head, kind, details, source, time, event.reply_ttl, event.quoted_ttl).into_pyobject(py)
}

/// An event of a search for the path's MTU: kind, size, mtu, source, details.
pub fn path_mtu<'py>(py: Python<'py>, event: path_mtu::Event) -> PyResult<Bound<'py, PyTuple>> {
    type Row = (&'static str, Option<usize>, Option<u32>, Option<String>, Py<PyAny>);
    let row: Row = match event {
        path_mtu::Event::Fits { size } => ("fits", Some(size), None, None, py.None()),
        path_mtu::Event::TooBig { size, mtu, source } => {
            ("too big", Some(size), mtu, source.map(|source| source.to_string()), py.None())
        }
        path_mtu::Event::Silence { size } => ("silence", Some(size), None, None, py.None()),
        path_mtu::Event::Unreachable { source, error } => {
            ("unreachable", None, None, Some(source.to_string()), self::error(&error).into_py_any(py)?)
        }
        path_mtu::Event::Refused(refusal) => ("refused", None, None, None, self::refusal(refusal).into_py_any(py)?),
    };
    row.into_pyobject(py)
}

/// An event of a ping: its kind, its number, and what there is.
pub fn ping<'py>(py: Python<'py>, event: Event) -> PyResult<Bound<'py, PyTuple>> {
    let (kind, number, fields) = match event {
        Event::Reply(reply) => {
            let (time, source) = heard(reply.time, reply.source);
            let flags = (reply.duplicate, reply.late, reply.out_of_order, reply.truncated, reply.wrong_source);
            let content = (reply.corrupted_at, reply.checksum_ok);
            let head = (time, reply.clock.name(), source, reply.manner.name(), reply.ttl, reply.size);
            ("reply", reply.number, (head, flags, content).into_py_any(py)?)
        }
        Event::Error { number, time, clock, source, error } => {
            let (time, source) = heard(time, source);
            ("error", number, (time, clock.name(), source, self::error(&error)).into_py_any(py)?)
        }
        Event::Refused { number, refusal } => ("refused", number, self::refusal(refusal).into_py_any(py)?),
        Event::Silence { number } => ("silence", number, py.None()),
    };
    (kind, number, fields).into_pyobject(py)
}
