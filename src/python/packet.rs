//! Packets: the checksum, echo requests, and one-line texts.

use std::borrow::Cow;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::packet::icmp::{self, Version};
use crate::packet::{checksum, names, pretty};

fn version(number: u8) -> PyResult<Version> {
    match number {
        4 => Ok(Version::V4),
        6 => Ok(Version::V6),
        _ => Err(PyValueError::new_err(format!("version: {number} is not an IP version; give 4 or 6"))),
    }
}

/// The Internet checksum of RFC 1071, as a number.
#[pyfunction]
fn internet_checksum(data: Cow<'_, [u8]>) -> u16 {
    checksum::checksum(&data)
}

/// An ICMP echo request; for IPv6 the kernel fills the checksum in.
#[pyfunction]
#[pyo3(signature = (identifier, sequence, payload, version=4))]
fn echo_request<'py>(
    py: Python<'py>,
    identifier: u16,
    sequence: u16,
    payload: Cow<'_, [u8]>,
    version: u8,
) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &icmp::echo_request(self::version(version)?, identifier, sequence, &payload)))
}

/// One line about an IP packet.
#[pyfunction]
fn describe_packet(packet: Cow<'_, [u8]>) -> String {
    pretty::packet(&packet)
}

/// The RFCs' name of an ICMP type and code.
#[pyfunction]
#[pyo3(signature = (kind, code, version=4))]
fn icmp_name(kind: u8, code: u8, version: u8) -> PyResult<String> {
    Ok(names::name(self::version(version)?, kind, code).into_owned())
}

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(internet_checksum, module)?)?;
    module.add_function(wrap_pyfunction!(echo_request, module)?)?;
    module.add_function(wrap_pyfunction!(describe_packet, module)?)?;
    module.add_function(wrap_pyfunction!(icmp_name, module)?)
}
