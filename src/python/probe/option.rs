//! The arguments that every probing function takes.

use std::net::IpAddr;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::net::prober::Options;
use crate::net::prober::reach::Method;
use crate::net::resolve::Family;
use crate::sys::option::Discovery;

/// A duration in seconds, finite and not negative.
pub fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| PyValueError::new_err(format!("{name}: {value} is not a duration; give seconds >= 0")))
}

/// A number from `least` to 255.
pub fn small(name: &str, value: Option<i64>, least: u8) -> PyResult<Option<u8>> {
    value
        .map(|value| match u8::try_from(value) {
            Ok(byte) if byte >= least => Ok(byte),
            _ => Err(PyValueError::new_err(format!("{name}: {value} is out of range; give {least} to 255"))),
        })
        .transpose()
}

/// How to reach a host: "icmp", "udp", "tcp", with a port where there are ports.
pub fn method(name: &str, port: Option<u16>, standard: Option<u16>) -> PyResult<Method> {
    match (name, port.or(standard)) {
        ("icmp", _) if port.is_none() => Ok(Method::Icmp),
        ("icmp", _) => Err(PyValueError::new_err("port: ICMP has no ports; leave it out")),
        ("udp" | "tcp", Some(0)) => Err(PyValueError::new_err("port: 0 is not a port; give 1 to 65535")),
        ("udp", Some(port)) => Ok(Method::Udp(port)),
        ("tcp", Some(port)) => Ok(Method::Tcp(port)),
        ("udp" | "tcp", None) => Err(PyValueError::new_err(format!("port: method {name:?} needs one"))),
        _ => Err(PyValueError::new_err(format!("method: {name:?} is none of \"icmp\", \"udp\", \"tcp\""))),
    }
}

/// 4, 6 or None.
pub fn family(value: Option<i64>) -> PyResult<Family> {
    match value {
        None => Ok(Family::Any),
        Some(4) => Ok(Family::V4),
        Some(6) => Ok(Family::V6),
        // socket.AF_INET and socket.AF_INET6.
        Some(number) if number == i64::from(libc::AF_INET) => Ok(Family::V4),
        Some(number) if number == i64::from(libc::AF_INET6) => Ok(Family::V6),
        Some(number) => {
            Err(PyValueError::new_err(format!("family: {number} is neither 4 nor 6 (nor AF_INET, AF_INET6)")))
        }
    }
}

/// The sockets' options, from keyword arguments.
pub fn options(arguments: &Bound<'_, PyDict>) -> PyResult<Options> {
    let mut options = Options { stamps: true, ..Options::default() };
    for (name, value) in arguments {
        let name: String = name.extract()?;
        if value.is_none() {
            continue;
        }
        match name.as_str() {
            "privileged" => options.privileged = Some(value.extract()?),
            "ttl" => options.ttl = small("ttl", Some(value.extract()?), 1)?,
            "tos" => options.tos = small("tos", Some(value.extract()?), 0)?,
            "dont_fragment" => {
                options.discovery = Some(if value.extract()? { Discovery::Do } else { Discovery::Dont });
            }
            "source" => options.source = Some(address("source", &value)?),
            "interface" => options.interface = Some(value.extract()?),
            "mark" => options.mark = Some(value.extract()?),
            "receive_buffer" => options.receive_buffer = Some(value.extract()?),
            "kernel_stamps" => options.stamps = value.extract()?,
            _ => return Err(PyTypeError::new_err(format!("unexpected keyword argument {name:?}"))),
        }
    }
    Ok(options)
}

/// An IP address, from its text or from an object of `ipaddress`.
pub fn address(name: &str, value: &Bound<'_, PyAny>) -> PyResult<IpAddr> {
    let text = value.str()?.to_string();
    text.parse().map_err(|_| PyValueError::new_err(format!("{name}: {text:?} is not an IP address")))
}
