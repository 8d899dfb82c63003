//! What our exceptions say beyond the stock module's: how much had gone out, and which address they are about.
//!
//! Nothing of it where our module stands in for the stock one: an unmodified program sees what it would see without us.
#![expect(unsafe_code, reason = "the interpreter's C API")]

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::raw::Arg;
use super::state;

/// Lets the exception that is set say how many bytes had gone out.
pub fn note_sent(py: Python<'_>, sent: usize) {
    annotate(py, |exception| exception.setattr("sent", sent));
}

/// Lets the exception that is set name the address it is about, as an attribute and in a note (PEP 678).
pub fn note_address(py: Python<'_>, doing: &str, address: Arg<'_, '_>) {
    annotate(py, |exception| {
        let text = shown(address)?;
        exception.setattr("address", &text)?;
        exception.call_method1("add_note", (format!("{doing} {text}"),)).map(drop)
    });
}

/// An address as people write it: `host:port`, `[host]:port`, a path, `@name` for an abstract one; on one line.
fn shown(address: Arg<'_, '_>) -> PyResult<String> {
    if let Ok((host, port)) = address.extract::<(Bound<'_, PyAny>, u16)>() {
        return Ok(host_and_port(&text(&host), port, 0));
    }
    if let Ok((host, port, _flow)) = address.extract::<(Bound<'_, PyAny>, u16, u32)>() {
        return Ok(host_and_port(&text(&host), port, 0));
    }
    if let Ok((host, port, _flow, scope)) = address.extract::<(Bound<'_, PyAny>, u16, u32, u32)>() {
        return Ok(host_and_port(&text(&host), port, scope));
    }
    if address.is_instance_of::<PyString>() || address.is_instance_of::<PyBytes>() {
        let path = text(&address);
        return Ok(path.strip_prefix('\0').map_or_else(|| one_line(&path), |name| format!("@{}", one_line(name))));
    }
    Ok(one_line(&address.repr()?.to_string_lossy()))
}

fn host_and_port(host: &str, port: u16, scope: u32) -> String {
    let host = one_line(host);
    match scope {
        0 if host.contains(':') => format!("[{host}]:{port}"),
        0 => format!("{host}:{port}"),
        _ => format!("[{host}%{scope}]:{port}"),
    }
}

/// The text of a `str` or of bytes, whatever they hold.
fn text(object: &Bound<'_, PyAny>) -> String {
    // Bytes of the file system that are no text come as surrogates (PEP 383).
    let encoded = object.call_method1("encode", ("utf-8", "surrogateescape"));
    match encoded.as_ref().unwrap_or(object).extract::<&[u8]>() {
        Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Err(_) => object.str().map(|text| text.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, letter| {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
        line
    })
}

/// Adds to an `OSError` that is set. It is never lost, whatever becomes of the addition.
fn annotate(_attached: Python<'_>, add: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<()>) {
    if state::stands_in() {
        return;
    }
    // PyO3 does not know that the type's own calls are attached; what its errors hold it would keep until one that it does.
    Python::attach(|py| {
        let (mut class, mut value, mut trace) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: the three references are ours between fetch and restore.
        unsafe {
            ffi::PyErr_Fetch(&raw mut class, &raw mut value, &raw mut trace);
            ffi::PyErr_NormalizeException(&raw mut class, &raw mut value, &raw mut trace);
            if let Some(value) = Borrowed::from_ptr_or_opt(py, value)
                && let Err(error) = add(&value)
            {
                error.restore(py);
                ffi::PyErr_Clear();
            }
            ffi::PyErr_Restore(class, value, trace);
        }
    });
}
