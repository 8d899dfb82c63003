//! `eyesocket.http`: clients, requests and responses as Python sees them.

use std::collections::HashMap;
use std::os::fd::IntoRawFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use super::arguments;
use super::drive::{self, Pending};
use super::errors;
use super::socket::growing::Growing;
use crate::engine::{Operation, Step, Time};
use crate::error::{Error, Result};
use crate::http::auth::{Auth, Digest};
use crate::http::charset;
use crate::http::cookies::{Cookie, check_cookie};
use crate::http::head::{Headers, Limits, ResponseHead, check_value};
use crate::http::multipart::{self, Part};
use crate::http::proxy::Proxies;
use crate::http::sse::Parser;
use crate::http::url::Target;
use crate::http::wire::Direction;
use crate::net::client::{Call, Client, Fetch, Fetched, Response, Settings, Store, Timeouts, unix_time};
use crate::net::connect::Place;
use crate::net::pool;
use crate::net::talk::Body;
use crate::net::tls::{Identity, Verify};

type Fields = Vec<(PyBackedBytes, PyBackedBytes)>;
type Seconds = Option<f64>;

fn fields(given: &Fields) -> Result<Headers> {
    let mut headers = Headers::new();
    for (name, value) in given {
        headers.add(name, value)?;
    }
    Ok(headers)
}

fn fields_to_python<'py>(py: Python<'py>, headers: &Headers) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, headers.iter().map(|(name, value)| (PyBytes::new(py, name), PyBytes::new(py, value))))
}

/// Text of the wire: Latin-1, one character a byte.
fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => PyString::new(py, text),
        _ => PyString::new(py, &bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
    }
}

/// Credentials, for one origin.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpAuth {
    auth: Arc<Auth>,
}

#[pymethods]
impl HttpAuth {
    /// `Basic`, RFC 7617.
    #[staticmethod]
    fn basic(user: Vec<u8>, password: Vec<u8>) -> Self {
        Self { auth: Arc::new(Auth::Basic { user, password }) }
    }

    /// `Bearer`, RFC 6750.
    #[staticmethod]
    fn bearer(py: Python<'_>, token: String) -> PyResult<Self> {
        check_value(b"Authorization", token.as_bytes()).map_err(|error| errors::exception(py, error))?;
        Ok(Self { auth: Arc::new(Auth::Bearer(token)) })
    }

    /// `Basic` by exact host: host, user, password.
    #[staticmethod]
    fn by_host(known: Vec<(String, Vec<u8>, Vec<u8>)>) -> Self {
        let known = known.into_iter().map(|(host, user, password)| (host, (user, password))).collect();
        Self { auth: Arc::new(Auth::ByHost(known)) }
    }

    /// `Digest`, RFC 7616.
    #[staticmethod]
    fn digest(user: Vec<u8>, password: Vec<u8>) -> Self {
        Self { auth: Arc::new(Auth::Digest(Digest::new(&user, &password))) }
    }
}

/// All that a request is but method, URL and body; made once for requests that are alike.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpPlan {
    call: Call,
}

type Options = (bool, bool, u32, bool, bool, u64, usize);
type Limit = (Seconds, Seconds, Seconds, Seconds, Seconds);

#[pymethods]
impl HttpPlan {
    #[new]
    #[pyo3(signature = (headers, timeouts, auth, options, /))]
    fn new(
        py: Python<'_>,
        headers: Fields,
        timeouts: Limit,
        auth: Option<&HttpAuth>,
        options: Options,
    ) -> PyResult<Self> {
        let (connect, read, write, pool, total) = timeouts;
        let (stream, follow, most_redirects, insecure_redirects, decode, most_content, wire) = options;
        let timeouts = Timeouts {
            connect: arguments::timeout(connect)?,
            read: arguments::timeout(read)?,
            write: arguments::timeout(write)?,
            pool: arguments::timeout(pool)?,
            total: arguments::timeout(total)?,
        };
        let headers = fields(&headers).map_err(|error| errors::exception(py, error))?;
        let target = Target::nowhere();
        let auth = auth.map(|auth| Arc::clone(&auth.auth));
        let call = Call {
            method: String::new(),
            target,
            headers: Arc::new(headers),
            body: Body::Empty,
            timeouts,
            auth,
            follow,
            most_redirects,
            insecure_redirects,
            decode,
            stream,
            most_content,
            wire,
            store: Some(Store(Arc::new(|| Box::new(Growing::new())))),
        };
        Ok(Self { call })
    }
}

/// A cookie as Python has it: name, value, domain, host only, path, secure, http only, end in seconds since 1970.
type PythonCookie = (String, String, String, bool, String, bool, bool, Option<i64>);

/// The connections, cookies and settings of one client.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpClient {
    client: Arc<Client>,
}

#[pymethods]
impl HttpClient {
    /// `verify`: None for the platform's authorities, PEM bytes, a list of DER certificates, or False for any server.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "the settings of a client")]
    #[pyo3(signature = (
        verify=None, identity=None, connections=None, idle=None, expiry=None, proxy=None, environment=None,
        instead=None, unix=None
    ))]
    fn new(
        py: Python<'_>,
        verify: Option<Bound<'_, PyAny>>,
        identity: Option<(Vec<u8>, Vec<u8>)>,
        connections: Option<usize>,
        idle: Option<usize>,
        expiry: Seconds,
        proxy: Option<&str>,
        environment: Option<HashMap<String, String>>,
        instead: Option<HashMap<(String, u16), (String, u16)>>,
        unix: Option<PathBuf>,
    ) -> PyResult<Self> {
        let verify = match verify {
            None => Verify::Platform,
            Some(verify) => trust(&verify)?,
        };
        let proxies = Proxies::choose(proxy, environment.as_ref()).map_err(|error| errors::exception(py, error))?;
        let instead = instead.unwrap_or_default();
        let settings = Settings {
            limits: Limits::default(),
            pool: pool::Limits { connections, idle, expiry: arguments::timeout(expiry)? },
            verify,
            identity: identity.map(|(chain, key)| Identity { chain, key }),
            proxies,
            instead: instead.into_iter().map(|(from, (host, port))| (from, Place::Tcp(host, port))).collect(),
            unix,
        };
        Ok(Self { client: Arc::new(Client::new(settings)) })
    }

    /// Sends a request and waits for its response.
    #[pyo3(signature = (method, url, body, plan, /))]
    fn request(
        &self,
        py: Python<'_>,
        method: &str,
        url: &str,
        body: Option<PyBackedBytes>,
        plan: &HttpPlan,
    ) -> PyResult<HttpResponse> {
        let body = body.map_or(Body::Empty, |body| Body::Bytes(Arc::new(body)));
        let response = drive::block(py, &mut Whole(self.fetch(py, method, url, body, plan)?))?;
        HttpResponse::new(py, response)
    }

    /// The same, to be awaited.
    #[pyo3(signature = (method, url, body, plan, /))]
    fn request_async(
        &self,
        py: Python<'_>,
        method: &str,
        url: &str,
        body: Option<PyBackedBytes>,
        plan: &HttpPlan,
    ) -> PyResult<Pending> {
        let body = body.map_or(Body::Empty, |body| Body::Bytes(Arc::new(body)));
        Ok(drive::pending(Whole(self.fetch(py, method, url, body, plan)?), |py, response| {
            Ok(Bound::new(py, HttpResponse::new(py, response)?)?.into_any().unbind())
        }))
    }

    /// Prepares a request whose body is fed in pieces: `length` bytes, or chunked.
    #[pyo3(signature = (method, url, length, plan, /))]
    fn start(
        &self,
        py: Python<'_>,
        method: &str,
        url: &str,
        length: Option<u64>,
        plan: &HttpPlan,
    ) -> PyResult<HttpUpload> {
        let fetch = self.fetch(py, method, url, Body::Fed(length), plan)?;
        Ok(HttpUpload { fetch: Arc::new(Mutex::new(fetch)) })
    }

    /// Closes the connections.
    fn close(&self) {
        self.client.pool().close();
    }

    /// How many connections are open, and how many of them idle.
    fn connections(&self) -> (usize, usize) {
        self.client.pool().counts()
    }

    /// The cookies that have not ended.
    fn cookies(&self) -> Vec<PythonCookie> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.client.with_jar(|jar| {
            jar.iter(unix_time())
                .map(|cookie| {
                    (
                        text(&cookie.name),
                        text(&cookie.value),
                        cookie.domain.clone(),
                        cookie.host_only,
                        cookie.path.clone(),
                        cookie.secure,
                        cookie.http_only,
                        cookie.expires,
                    )
                })
                .collect()
        })
    }

    /// Puts a cookie into the jar.
    fn put_cookie(&self, py: Python<'_>, cookie: PythonCookie) -> PyResult<()> {
        let (name, value, domain, host_only, path, secure, http_only, expires) = cookie;
        let checked = check_cookie(&name, &value);
        checked.map_err(|error| errors::exception(py, error))?;
        let mut cookie = Cookie::new(name.as_bytes(), value.as_bytes(), &domain, host_only, &path);
        (cookie.secure, cookie.http_only, cookie.expires) = (secure, http_only, expires);
        self.client.with_jar(|jar| jar.put(cookie));
        Ok(())
    }

    /// Removes the cookies that have this name, domain and path, as far as they are given.
    #[pyo3(signature = (name=None, domain=None, path=None))]
    fn remove_cookies(&self, name: Option<&str>, domain: Option<&str>, path: Option<&str>) {
        self.client.with_jar(|jar| {
            jar.remove(|cookie| {
                name.is_none_or(|name| cookie.name == name.as_bytes())
                    && domain.is_none_or(|domain| cookie.domain == domain)
                    && path.is_none_or(|path| cookie.path == path)
            });
        });
    }
}

fn trust(verify: &Bound<'_, PyAny>) -> PyResult<Verify> {
    if let Ok(pem) = verify.extract::<PyBackedBytes>() {
        return Ok(Verify::Pem(pem.to_vec()));
    }
    if verify.is_truthy()? { Ok(Verify::Der(verify.extract()?)) } else { Ok(Verify::Nothing) }
}

impl HttpClient {
    fn fetch(&self, py: Python<'_>, method: &str, url: &str, body: Body, plan: &HttpPlan) -> PyResult<Fetch> {
        let call = |target| Call { method: method.to_owned(), target, body, ..plan.call.clone() };
        self.client
            .target(url)
            .and_then(|target| Fetch::new(Arc::clone(&self.client), call(target)))
            .map_err(|error| errors::exception(py, error))
    }
}

/// A fetch whose body is known beforehand.
struct Whole(Fetch);

impl Operation for Whole {
    type Output = Box<Response>;

    fn step(&mut self, now: Time) -> Result<Step<Box<Response>>> {
        match self.0.step(now)? {
            Step::Done(Fetched::Response(response)) => Ok(Step::Done(response)),
            Step::Done(Fetched::Hungry) => Err(Error::invalid("content", "a body in pieces has to be fed")),
            Step::Wait(wait) => Ok(Step::Wait(wait)),
        }
    }

    fn partial(&mut self) -> Vec<u8> {
        self.0.partial()
    }
}

/// Something that more than one call works on, one at a time.
struct Shared<M>(Arc<Mutex<M>>);

impl<M> Shared<M> {
    fn lock(&self) -> MutexGuard<'_, M> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Operation for Shared<Fetch> {
    type Output = Fetched;

    fn step(&mut self, now: Time) -> Result<Step<Fetched>> {
        self.lock().step(now)
    }

    fn partial(&mut self) -> Vec<u8> {
        self.lock().partial()
    }
}

/// A request whose body is fed in pieces: run, and while it gives None, feed and run again.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpUpload {
    fetch: Arc<Mutex<Fetch>>,
}

#[pymethods]
impl HttpUpload {
    /// Goes on: the response, or None when more of the body is wanted.
    fn run(&self, py: Python<'_>) -> PyResult<Option<HttpResponse>> {
        match drive::block(py, &mut Shared(Arc::clone(&self.fetch)))? {
            Fetched::Response(response) => Ok(Some(HttpResponse::new(py, response)?)),
            Fetched::Hungry => Ok(None),
        }
    }

    /// The same, to be awaited.
    fn run_async(&self) -> Pending {
        drive::pending(Shared(Arc::clone(&self.fetch)), |py, fetched| match fetched {
            Fetched::Response(response) => Ok(Bound::new(py, HttpResponse::new(py, response)?)?.into_any().unbind()),
            Fetched::Hungry => Ok(py.None()),
        })
    }

    /// The next piece; an empty one is nothing.
    fn feed(&self, py: Python<'_>, piece: PyBackedBytes) -> PyResult<()> {
        Shared(Arc::clone(&self.fetch)).lock().feed(&piece).map_err(|error| errors::exception(py, error))
    }

    /// There is no more.
    fn feed_end(&self, py: Python<'_>) -> PyResult<()> {
        Shared(Arc::clone(&self.fetch)).lock().feed_end().map_err(|error| errors::exception(py, error))
    }
}

/// A response.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpResponse {
    response: Arc<Mutex<Box<Response>>>,
    content: Py<PyBytes>,
}

impl HttpResponse {
    fn new(py: Python<'_>, mut response: Box<Response>) -> PyResult<Self> {
        let content = std::mem::take(&mut response.content).into_sink().into_any();
        let content = match content.downcast::<Growing>() {
            Ok(grown) => grown.finish(py).ok().and_then(|object| object.cast_into::<PyBytes>().ok()),
            Err(other) => other.downcast_ref::<Vec<u8>>().map(|bytes| PyBytes::new(py, bytes)),
        };
        let content = content.ok_or_else(|| PyMemoryError::new_err("no memory for the content"))?.unbind();
        Ok(Self { response: Arc::new(Mutex::new(response)), content })
    }

    fn response(&self) -> MutexGuard<'_, Box<Response>> {
        self.response.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads on in a body: the next piece, empty at the end.
struct Piece {
    response: Arc<Mutex<Box<Response>>>,
    most: usize,
    raw: bool,
    piece: Vec<u8>,
}

impl Operation for Piece {
    type Output = Vec<u8>;

    fn step(&mut self, now: Time) -> Result<Step<Vec<u8>>> {
        let mut response = self.response.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(reading) = &mut response.reading else { return Ok(Step::Done(std::mem::take(&mut self.piece))) };
        let step = reading.step(now, &mut self.piece, self.most, self.raw);
        match step {
            Ok(Step::Wait(wait)) => return Ok(Step::Wait(wait)),
            Ok(Step::Done(false)) => {}
            Ok(Step::Done(true)) => {
                if let Some(reading) = response.reading.take() {
                    reading.finish(&mut response);
                }
            }
            Err(error) => {
                response.reading = None;
                return Err(error.with_partial(std::mem::take(&mut self.piece)));
            }
        }
        Ok(Step::Done(std::mem::take(&mut self.piece)))
    }

    fn partial(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.piece)
    }
}

fn head_to_python<'py>(py: Python<'py>, head: &ResponseHead) -> PyResult<Bound<'py, PyTuple>> {
    (head.status, latin1(py, &head.reason), fields_to_python(py, &head.headers)?).into_pyobject(py)
}

#[pymethods]
impl HttpResponse {
    /// What was asked for.
    #[getter]
    fn url(&self) -> String {
        self.response().target.text()
    }

    /// The same, without a password.
    #[getter]
    fn shown_url(&self) -> String {
        self.response().target.redacted()
    }

    /// The method of the request.
    #[getter]
    fn method(&self) -> String {
        self.response().method.clone()
    }

    /// The status code.
    #[getter]
    fn status(&self) -> u16 {
        self.response().head.status
    }

    /// The reason phrase as it came.
    #[getter]
    fn reason<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        latin1(py, &self.response().head.reason)
    }

    /// `HTTP/1.1` or `HTTP/1.0`.
    #[getter]
    fn version(&self) -> &'static str {
        if self.response().head.minor == 0 { "HTTP/1.0" } else { "HTTP/1.1" }
    }

    /// Names and values.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.response().head.headers)
    }

    /// The first value of the field `name`, or None.
    fn header<'py>(&self, py: Python<'py>, name: &str) -> Option<Bound<'py, PyString>> {
        self.response().head.headers.get(name).map(|value| latin1(py, value))
    }

    /// Names and values that were sent.
    #[getter]
    fn sent_headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.response().sent_headers)
    }

    /// The fields behind a chunked body.
    #[getter]
    fn trailers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        fields_to_python(py, &self.response().trailers)
    }

    /// Interim responses: status, reason, headers.
    #[getter]
    fn informational<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let heads: PyResult<Vec<_>> =
            self.response().informational.iter().map(|head| head_to_python(py, head)).collect();
        PyList::new(py, heads?)
    }

    /// The content.
    #[getter]
    fn content<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.content.bind(py).clone()
    }

    /// Takes the responses that led to this one, the first one first; none the second time.
    fn take_history(&self, py: Python<'_>) -> PyResult<Vec<Self>> {
        let history = std::mem::take(&mut self.response().history);
        history.into_iter().map(|response| Self::new(py, Box::new(response))).collect()
    }

    /// Reads on in the body: about `most` bytes, empty at the end. With `raw`, content codings stay on.
    #[pyo3(signature = (most, raw=false))]
    fn read<'py>(&self, py: Python<'py>, most: usize, raw: bool) -> PyResult<Bound<'py, PyBytes>> {
        let mut piece = Piece { response: Arc::clone(&self.response), most, raw, piece: Vec::new() };
        Ok(PyBytes::new(py, &drive::block(py, &mut piece)?))
    }

    /// The same, to be awaited.
    #[pyo3(signature = (most, raw=false))]
    fn read_async(&self, most: usize, raw: bool) -> Pending {
        let piece = Piece { response: Arc::clone(&self.response), most, raw, piece: Vec::new() };
        drive::pending(piece, |py, bytes| Ok(PyBytes::new(py, &bytes).into_any().unbind()))
    }

    /// Whether the body is still to be read.
    #[getter]
    fn unread(&self) -> bool {
        self.response().reading.is_some()
    }

    /// Gives up what is unread of the body, and its connection.
    fn close(&self) {
        self.response().reading = None;
    }

    /// Takes the socket away from HTTP (after 101, or 2xx to CONNECT): its descriptor, now the caller's, and the bytes
    /// that had come already. None if the connection still speaks HTTP, or TLS.
    fn detach<'py>(&self, py: Python<'py>) -> Option<(i32, Bound<'py, PyBytes>)> {
        let mut response = self.response();
        let reading = response.reading.as_mut().filter(|reading| reading.switched())?;
        let (socket, unread) = reading.detach()?.into_parts()?;
        response.reading = None;
        Some((socket.into_raw_fd(), PyBytes::new(py, &unread)))
    }

    /// Whom the connection led to.
    #[getter]
    fn peer(&self) -> String {
        self.response().peer.clone()
    }

    /// Seconds since the start until: dns, connect, tls, sent, first byte, done; and whether the connection was reused.
    #[getter]
    fn timings(&self) -> (Seconds, Seconds, Seconds, Seconds, Seconds, Seconds, bool) {
        let timings = self.response().timings;
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        (
            seconds(timings.dns),
            seconds(timings.connect),
            seconds(timings.tls),
            seconds(timings.sent),
            seconds(timings.first_byte),
            seconds(timings.done),
            timings.reused,
        )
    }

    /// The record of the wire: bytes sent, bytes received, pieces (seconds, whether sent, length), spans of content in
    /// what was received, and how many bytes went each way in all.
    #[getter]
    fn wire<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let response = self.response();
        let wire = &response.wire;
        let pieces = wire.pieces.iter().map(|piece| {
            let seconds = piece.at.since(response.began).as_secs_f64();
            (seconds, piece.direction == Direction::Sent, piece.length)
        });
        (
            PyBytes::new(py, &wire.sent),
            PyBytes::new(py, &wire.received),
            pieces.collect::<Vec<_>>(),
            wire.content.clone(),
            wire.total_sent,
            wire.total_received,
        )
            .into_pyobject(py)
    }
}

/// Checks a URL as a request would, and gives scheme, host, port, path with query, and the canonical text.
#[pyfunction]
fn http_url(py: Python<'_>, url: PyBackedStr) -> PyResult<(&'static str, String, u16, String, String)> {
    let target = Target::parse(&url).map_err(|error| errors::exception(py, error))?;
    let origin = target.origin();
    let path = target.path_and_query().to_owned();
    Ok((origin.scheme.as_str(), origin.host.clone(), origin.port, path, target.text()))
}

/// Name, file name, content type, bytes.
type PythonPart = (String, Option<String>, Option<String>, PyBackedBytes);

/// The body of a form with these parts.
#[pyfunction]
fn http_multipart<'py>(py: Python<'py>, parts: Vec<PythonPart>, boundary: &str) -> PyResult<Bound<'py, PyBytes>> {
    let views: Vec<Part<'_>> = parts
        .iter()
        .map(|(name, filename, content_type, content)| Part {
            name,
            filename: filename.as_deref(),
            content_type: content_type.as_deref(),
            content,
        })
        .collect();
    let body = multipart::encode(&views, boundary).map_err(|error| errors::exception(py, error))?;
    Ok(PyBytes::new(py, &body))
}

/// The name of a text's encoding, and the text.
#[pyfunction]
#[pyo3(signature = (content, content_type=None, fallback=None, forced=None))]
fn http_text(
    content: PyBackedBytes,
    content_type: Option<&str>,
    fallback: Option<&str>,
    forced: Option<&str>,
) -> (&'static str, String) {
    let forced = forced.map(|label| format!("text/plain; charset={label}"));
    let encoding = charset::encoding(&content, forced.as_deref().or(content_type), fallback);
    (encoding.name(), charset::decode(&content, encoding))
}

/// Type, data, id, retry in milliseconds.
type PythonEvent = (String, String, String, Option<u64>);

/// Server-sent events from the pieces of a stream.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpEvents {
    parser: Mutex<Parser>,
}

#[pymethods]
impl HttpEvents {
    #[new]
    fn new() -> Self {
        Self { parser: Mutex::default() }
    }

    /// Brings bytes, and gives the events that are complete: type, data, id, retry in milliseconds.
    fn feed(&self, py: Python<'_>, piece: PyBackedBytes) -> PyResult<Vec<PythonEvent>> {
        let mut parser = self.parser.lock().unwrap_or_else(PoisonError::into_inner);
        parser.feed(&piece).map_err(|error| errors::exception(py, error))?;
        let events = parser.events().into_iter();
        Ok(events.map(|event| (event.event, event.data, event.id, event.retry)).collect())
    }
}

/// Adds this topic to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<HttpAuth>()?;
    module.add_class::<HttpPlan>()?;
    module.add_class::<HttpClient>()?;
    module.add_class::<HttpUpload>()?;
    module.add_class::<HttpResponse>()?;
    module.add_class::<HttpEvents>()?;
    module.add_function(wrap_pyfunction!(http_multipart, module)?)?;
    module.add_function(wrap_pyfunction!(http_text, module)?)?;
    module.add_function(wrap_pyfunction!(http_url, module)?)
}
