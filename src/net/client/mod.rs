//! A user agent: settings and connections that outlive a request, and what a request asks and gives.
//!
//! [`Fetch`] is the machine of one request, [`Reading`] a body that is read piece by piece, [`Content`] one that is kept.

mod answer;
mod asking;
mod content;
mod fetch;
mod reading;

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ClientConfig;

use super::connect::Place;
use super::dial::Route;
use super::opening::Body;
use super::pool::{self, Pool};
use super::tls::{self, Identity, Policy, Verify};
use crate::engine::Time;
use crate::error::{Cause, Error, Result};
use crate::http::auth::Auth;
use crate::http::cookies::Jar;
use crate::http::head::{self, Headers, Limits, ResponseHead};
use crate::http::proxy::Proxies;
use crate::http::redirect;
use crate::http::url::Target;
use crate::http::wire::Wire;
use crate::sys;

use asking::Said;
pub use content::{Content, Store};
pub use fetch::{Fetch, Fetched};
pub use reading::{Amount, Reading};

/// What does not change between the requests of a client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What a peer's head may cost.
    pub limits: Limits,
    /// How many connections.
    pub pool: pool::Limits,
    /// Which TLS servers are believed.
    pub verify: Verify,
    /// What TLS sessions may be.
    pub policy: Policy,
    /// The certificate that is shown to them.
    pub identity: Option<Identity>,
    /// What stands in between.
    pub proxies: Proxies,
    /// Where connections to a host and port go instead.
    pub instead: HashMap<(String, u16), Place>,
    /// The UNIX socket that all connections go to.
    pub unix: Option<PathBuf>,
}

/// A user agent.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    pool: Pool,
    tls: OnceLock<Arc<ClientConfig>>,
    jar: Mutex<Jar>,
    random: RandomState,
    /// The URL that was read last: most programs ask for the same again.
    last: Mutex<Option<(String, Target)>>,
    /// The route that was found last.
    routed: Mutex<Option<Arc<Route>>>,
    /// The head that was said last.
    said: Mutex<Option<Said>>,
}

impl Client {
    /// A client without connections.
    pub fn new(settings: Settings) -> Self {
        Self {
            pool: Pool::new(settings.pool),
            settings,
            tls: OnceLock::new(),
            jar: Mutex::default(),
            random: RandomState::new(),
            last: Mutex::default(),
            routed: Mutex::default(),
            said: Mutex::default(),
        }
    }

    /// The connections.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Reads a URL.
    pub fn target(&self, text: &str) -> Result<Target> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((had, target)) = &*last
            && had == text
        {
            return Ok(target.clone());
        }
        let target = Target::parse(text)?;
        head::check_target(target.path_and_query())?;
        *last = Some((text.to_owned(), target.clone()));
        Ok(target)
    }

    /// Works on the cookies.
    pub fn with_jar<T>(&self, work: impl FnOnce(&mut Jar) -> T) -> T {
        work(&mut self.jar.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A number that nobody can foretell.
    fn nonce(&self) -> u64 {
        self.random.hash_one(sys::clock::now())
    }

    fn tls(&self) -> Result<Arc<ClientConfig>> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let config = tls::config(&self.settings.verify, self.settings.identity.as_ref(), &self.settings.policy)?;
        Ok(Arc::clone(self.tls.get_or_init(|| config)))
    }
}

/// How long what may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Name, connection and TLS.
    pub connect: Option<Duration>,
    /// Without a byte from the peer.
    pub read: Option<Duration>,
    /// Without the peer taking a byte.
    pub write: Option<Duration>,
    /// For a free connection.
    pub pool: Option<Duration>,
    /// Everything together.
    pub total: Option<Duration>,
}

/// One request, as the caller wants it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method, a token.
    pub method: Cow<'static, str>,
    /// What is asked for.
    pub target: Target,
    /// The fields; Host, Content-Length and Transfer-Encoding are added where they are not given.
    pub headers: Arc<Headers>,
    /// What is sent.
    pub body: Body,
    /// Whether a body that is fed can be fed from its beginning again.
    pub rewinds: bool,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Who asks; for the origin of `target` alone.
    pub auth: Option<Arc<Auth>>,
    /// Whether redirections are followed.
    pub follow: bool,
    /// How many of them.
    pub most_redirects: u32,
    /// How.
    pub redirects: redirect::Policy,
    /// Whether content codings are undone.
    pub decode: bool,
    /// Whether the response is given when its head is there, its body to be read by the caller.
    pub stream: bool,
    /// How many bytes of content are taken into memory.
    pub most_content: u64,
    /// How many bytes each way are kept to be shown.
    pub wire: usize,
    /// Where large content goes; a vector if nothing is said.
    pub store: Option<Store>,
}

/// When what was reached, counted from the start of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// The name was resolved.
    pub dns: Option<Duration>,
    /// The socket was connected.
    pub connect: Option<Duration>,
    /// TLS was agreed on.
    pub tls: Option<Duration>,
    /// The last byte of the request was with the kernel.
    pub sent: Option<Duration>,
    /// The first byte of the answer was here.
    pub first_byte: Option<Duration>,
    /// The last one was.
    pub done: Option<Duration>,
    /// Whether the connection had carried an exchange before.
    pub reused: bool,
}

/// What a request gave.
#[derive(Debug)]
pub struct Response {
    /// What was asked for.
    pub target: Target,
    /// With which method.
    pub method: Cow<'static, str>,
    /// The fields that were sent.
    pub sent_headers: Arc<Headers>,
    /// The head.
    pub head: ResponseHead,
    /// The interim responses before it.
    pub informational: Vec<ResponseHead>,
    /// The content, unless the body is still to be read.
    pub content: Content,
    /// The fields after the content.
    pub trailers: Headers,
    /// When what was reached.
    pub timings: Timings,
    /// The bytes both ways.
    pub wire: Wire,
    /// Whom the connection led to.
    pub peer: Arc<str>,
    /// When the request began, on the clock of the wire's pieces.
    pub began: Time,
    /// The responses that led to this one, the first one first.
    pub history: Vec<Response>,
    /// The body that is still to be read.
    pub reading: Option<Box<Reading>>,
}

impl Response {
    /// The interim responses before it, also while its body is still to be read.
    pub fn interim(&self) -> &[ResponseHead] {
        self.reading.as_ref().map_or(&self.informational, |reading| reading.informational())
    }

    /// The bytes both ways, also while its body is still to be read.
    pub fn said(&self) -> &Wire {
        self.reading.as_ref().and_then(|reading| reading.wire()).unwrap_or(&self.wire)
    }

    /// The request that it asks for, as its caller would make it.
    pub fn next(&self) -> Result<Option<redirect::Next>> {
        redirect::by_hand(&self.head, &self.method, &self.target, &self.sent_headers)
    }
}

/// Seconds since 1970, for the lives of cookies.
pub fn unix_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The same error with the peer named, where it is not yet.
fn located(error: Error, peer: &str) -> Error {
    if error.address.is_none() && !matches!(error.cause, Cause::Invalid { .. }) { error.at(peer) } else { error }
}
