//! Clients: credentials, the plan of a request, and the native client with its pool and cookies.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::response::HttpResponse;
use super::upload::{HttpUpload, Whole};
use super::{Fields, Seconds, fields};
use crate::error::{Cause, Error, Result};
use crate::http::auth::{Auth, Digest, check_user};
use crate::http::cookies::{Cookie, check_cookie};
use crate::http::head::{self, Limits, check_value};
use crate::http::proxy::Proxies;
use crate::http::redirect;
use crate::http::url::Target;
use crate::net::client::{Call, Client, Fetch, Settings, Store, Timeouts, unix_time};
use crate::net::connect::Place;
use crate::net::opening::Body;
use crate::net::pool;
use crate::net::tls::{Identity, Policy, Verify};
use crate::python::drive::{self, Pending};
use crate::python::socket::growing::Growing;
use crate::python::{arguments, errors};

/// Credentials, for one origin.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpAuth {
    auth: Arc<Auth>,
}

#[pymethods]
impl HttpAuth {
    /// `Basic`, RFC 7617.
    #[staticmethod]
    fn basic(py: Python<'_>, user: Vec<u8>, password: Vec<u8>) -> PyResult<Self> {
        check_user(&user, Some(&password)).map_err(|error| errors::exception(py, error))?;
        Ok(Self { auth: Arc::new(Auth::Basic { user, password }) })
    }

    /// `Bearer`, RFC 6750.
    #[staticmethod]
    fn bearer(py: Python<'_>, token: String) -> PyResult<Self> {
        check_value(b"Authorization", token.as_bytes()).map_err(|error| errors::exception(py, error))?;
        Ok(Self { auth: Arc::new(Auth::Bearer(token)) })
    }

    /// `Basic` by exact host: host, user, password.
    #[staticmethod]
    fn by_host(py: Python<'_>, known: Vec<(String, Vec<u8>, Vec<u8>)>) -> PyResult<Self> {
        for (_, user, password) in &known {
            check_user(user, Some(password)).map_err(|error| errors::exception(py, error))?;
        }
        let known = known.into_iter().map(|(host, user, password)| (host, (user, password))).collect();
        Ok(Self { auth: Arc::new(Auth::ByHost(known)) })
    }

    /// `Digest`, RFC 7616.
    #[staticmethod]
    fn digest(py: Python<'_>, user: Vec<u8>, password: Vec<u8>) -> PyResult<Self> {
        check_user(&user, None).map_err(|error| errors::exception(py, error))?;
        Ok(Self { auth: Arc::new(Auth::Digest(Digest::new(&user, &password))) })
    }
}

/// All that a request is but method, URL and body; made once for requests that are alike.
#[pyclass(frozen, module = "eyesocket._native")]
pub struct HttpPlan {
    call: Call,
}

/// Streamed, redirections followed, how many, how (from https to http, method kept), decoded, content and wire at most.
type Options = (bool, bool, u32, (bool, bool), bool, u64, usize);
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
        let (stream, follow, most_redirects, (insecure, keep_method), decode, most_content, wire) = options;
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
            method: "GET".into(),
            target,
            headers: Arc::new(headers),
            body: Body::Empty,
            rewinds: false,
            timeouts,
            auth,
            follow,
            most_redirects,
            redirects: redirect::Policy { insecure, keep_method },
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
type PythonCookie<B> = (B, B, String, bool, String, bool, bool, Option<i64>);

/// Whether names are checked, TLS 1.2 and 1.3 allowed, cipher suites by number, the file for secrets.
type PythonPolicy = (bool, bool, bool, Vec<u16>, Option<PathBuf>);

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
        instead=None, unix=None, lf_only=true, policy=None, proxy_auth=None
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
        lf_only: bool,
        policy: Option<PythonPolicy>,
        proxy_auth: Option<&HttpAuth>,
    ) -> PyResult<Self> {
        let verify = match verify {
            None => Verify::Platform,
            Some(verify) => trust(&verify)?,
        };
        let proxy = proxy.map(|proxy| (proxy, proxy_auth.map(|auth| Arc::clone(&auth.auth))));
        let proxies = Proxies::choose(proxy, environment.as_ref()).map_err(|error| errors::exception(py, error))?;
        let mut places = HashMap::new();
        for ((host, port), (to, at)) in instead.unwrap_or_default() {
            let host = canonical(&host, port).map_err(|error| errors::exception(py, error))?;
            places.insert((host, port), Place::Tcp(to, at));
        }
        let settings = Settings {
            limits: Limits { lf_only, ..Limits::default() },
            pool: pool::Limits { connections, idle, expiry: arguments::timeout(expiry)? },
            verify,
            policy: policy.map_or_else(Policy::default, |(names, tls12, tls13, suites, key_log)| Policy {
                names,
                tls12,
                tls13,
                suites: Some(suites),
                key_log,
            }),
            identity: identity.map(|(chain, key)| Identity { chain, key }),
            proxies,
            instead: places,
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

    /// Prepares a request whose body is fed in pieces: `length` bytes, or chunked. `rewinds`: also a second time.
    #[pyo3(signature = (method, url, length, plan, rewinds, /))]
    fn start(
        &self,
        py: Python<'_>,
        method: &str,
        url: &str,
        length: Option<u64>,
        plan: &HttpPlan,
        rewinds: bool,
    ) -> PyResult<HttpUpload> {
        let mut fetch = self.fetch(py, method, url, Body::Fed(length), plan)?;
        fetch.rewinds(rewinds);
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
    fn cookies<'py>(&self, py: Python<'py>) -> Vec<PythonCookie<Bound<'py, PyBytes>>> {
        self.client.with_jar(|jar| {
            jar.iter(unix_time())
                .map(|cookie| {
                    (
                        PyBytes::new(py, &cookie.name),
                        PyBytes::new(py, &cookie.value),
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
    fn put_cookie(&self, py: Python<'_>, cookie: PythonCookie<PyBackedBytes>) -> PyResult<()> {
        let (name, value, domain, host_only, path, secure, http_only, expires) = cookie;
        let checked = check_cookie(&name, &value);
        checked.map_err(|error| errors::exception(py, error))?;
        let mut cookie = Cookie::new(&name, &value, &domain, host_only, &path);
        (cookie.secure, cookie.http_only, cookie.expires) = (secure, http_only, expires);
        self.client.with_jar(|jar| jar.put(cookie));
        Ok(())
    }

    /// Removes the cookies that have this name, domain and path, as far as they are given.
    #[pyo3(signature = (name=None, domain=None, path=None))]
    fn remove_cookies(&self, name: Option<&[u8]>, domain: Option<&str>, path: Option<&str>) {
        self.client.with_jar(|jar| {
            jar.remove(|cookie| {
                name.is_none_or(|name| cookie.name == name)
                    && domain.is_none_or(|domain| cookie.domain == domain)
                    && path.is_none_or(|path| cookie.path == path)
            });
        });
    }
}

/// A host as a URL's comes out: in lower case, in ASCII, an address in its one form.
fn canonical(host: &str, port: u16) -> Result<String> {
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let named = Target::parse(&format!("http://{host}:{port}/"));
    named.map(|target| target.origin().host.trim_end_matches('.').to_owned()).map_err(|error| match &error.cause {
        Cause::Invalid { reason, .. } => Error::invalid("connect_to", reason.clone()),
        _ => error,
    })
}

fn trust(verify: &Bound<'_, PyAny>) -> PyResult<Verify> {
    if let Ok(pem) = verify.extract::<PyBackedBytes>() {
        return Ok(Verify::Pem(pem.to_vec()));
    }
    if verify.is_truthy()? { Ok(Verify::Der(verify.extract()?)) } else { Ok(Verify::Nothing) }
}

impl HttpClient {
    #[inline]
    fn fetch(&self, py: Python<'_>, method: &str, url: &str, body: Body, plan: &HttpPlan) -> PyResult<Fetch> {
        let call = |target| Call { method: head::method(method), target, body, ..plan.call.clone() };
        self.client
            .target(url)
            .and_then(|target| Fetch::new(Arc::clone(&self.client), call(target)))
            .map_err(|error| errors::exception(py, error))
    }
}
