//! What a request says, and to whom: its route, its head as it goes out, the talk that carries it.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError};

use crate::engine::Time;
use crate::http::auth::{self, Asked, Auth};
use crate::http::body::{self, Framing};
use crate::http::exchange::Exchange;
use crate::http::head::{self, Headers, Limits};
use crate::http::url::Target;
use crate::http::wire::Wire;
use crate::net::connect::Place;
use crate::net::dial::Route;
use crate::net::opening::{Body, Opening, Patience};
use crate::net::pool::Connection;
use crate::net::talk::Talk;

use super::fetch::{Fetch, State};
use super::{Call, Client, unix_time};

impl Client {
    /// How `target` is reached.
    pub(super) fn route(&self, target: &Target) -> Arc<Route> {
        let mut routed = self.routed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routed.as_ref().filter(|route| route.origin == *target.origin()) {
            return Arc::clone(route);
        }
        let route = Arc::new(self.find_route(target));
        *routed = Some(Arc::clone(&route));
        route
    }

    fn find_route(&self, target: &Target) -> Route {
        let settings = &self.settings;
        let origin = target.origin().clone();
        let instead = match &settings.unix {
            Some(path) => Some(Place::Unix(path.clone())),
            None if settings.instead.is_empty() => None,
            None => settings.instead.get(&(origin.host.trim_end_matches('.').to_owned(), origin.port)).cloned(),
        };
        let place = instead.unwrap_or_else(|| {
            // Names below localhost are this host, whatever a resolver thinks (RFC 6761 section 6.3).
            let host = if origin.host.ends_with(".localhost") { "localhost" } else { &origin.host };
            Place::Tcp(host.to_owned(), origin.port)
        });
        let proxy = if settings.unix.is_some() { None } else { settings.proxies.pick(&origin).cloned() };
        Route { origin, place, proxy }
    }
}

impl Call {
    /// What a proof for the origin is about.
    pub(super) fn asked(&self, cnonce: u64) -> Asked<'_> {
        let (host, uri) = (&self.target.origin().host, self.target.path_and_query());
        Asked { host, method: &self.method, uri, body: self.body.known(), cnonce }
    }
}

/// A head that went out, and what it was made of: the same again need not be put together again.
#[derive(Debug)]
pub(super) struct Said {
    method: Cow<'static, str>,
    target: Target,
    asked: Arc<Headers>,
    headers: Arc<Headers>,
    bytes: Vec<u8>,
}

impl Fetch {
    /// The head as it goes out.
    fn head(&mut self, route: &Route) -> Vec<u8> {
        // Only what depends on nothing but the call's method, target and fields is the same the next time.
        let call = &self.call;
        let plain = matches!(call.body, Body::Empty)
            && call.auth.is_none()
            && self.authorization.is_none()
            && route.proxy.is_none()
            && self.client.with_jar(|jar| jar.is_empty());
        if !plain {
            return self.put_together(route);
        }
        let client = Arc::clone(&self.client);
        let mut said = client.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = &*said
            && said.method == self.call.method
            && Arc::ptr_eq(&said.asked, &self.call.headers)
            && said.target == self.call.target
        {
            self.sent_headers = Arc::clone(&said.headers);
            self.probing = false;
            return said.bytes.clone();
        }
        let bytes = self.put_together(route);
        *said = Some(Said {
            method: self.call.method.clone(),
            target: self.call.target.clone(),
            asked: Arc::clone(&self.call.headers),
            headers: Arc::clone(&self.sent_headers),
            bytes: bytes.clone(),
        });
        bytes
    }

    fn put_together(&mut self, route: &Route) -> Vec<u8> {
        let call = &self.call;
        let mut headers = Headers::new();
        if !call.headers.contains("host") {
            headers.push(b"Host", call.target.origin().host_field().as_bytes());
        }
        let own = call.headers.get("cookie");
        let mut cookies =
            self.client.with_jar(|jar| if jar.is_empty() { None } else { jar.field(&call.target, own, unix_time()) });
        for (name, value) in call.headers.iter() {
            match cookies.take_if(|_| name.eq_ignore_ascii_case(b"cookie")) {
                None => headers.push(name, value),
                Some(jar) => headers.push(name, &[value, &jar].join(&b"; "[..])),
            }
        }
        if let Some(cookies) = cookies {
            headers.push(b"Cookie", &cookies);
        }
        if !headers.contains("authorization") {
            let ours = || call.auth.as_ref().and_then(|auth| auth.opening(&call.asked(self.client.nonce())));
            let urls = || call.target.credentials().map(|(user, password)| auth::basic(&user, &password));
            let value = match self.authorization.take() {
                Some(value) => Some(value),
                None if call.auth.is_some() => ours(),
                None => urls(),
            };
            if let Some(value) = value {
                headers.push(b"Authorization", value.as_bytes());
            }
        }
        let forwarded = route.proxy.as_ref().filter(|proxy| proxy.forwards(&route.origin));
        if let Some(proxy) = forwarded.filter(|_| !headers.contains("proxy-authorization")) {
            let opening = || {
                let target = call.target.absolute_form();
                proxy.authorization(&call.method, &target, call.body.known(), self.client.nonce())
            };
            if let Some(value) = self.proxy_authorization.take().or_else(opening) {
                headers.push(b"Proxy-Authorization", value.as_bytes());
            }
        }
        let awaits = |auth: Option<&Arc<Auth>>, field| {
            !headers.contains(field) && auth.is_some_and(|auth| auth.awaits_challenge())
        };
        let large = match call.body {
            Body::Empty => false,
            Body::Bytes(_) => !call.body.bytes().is_empty(),
            Body::Fed(_) => call.rewinds,
        };
        let probing = large
            && !self.probed
            && !headers.contains("transfer-encoding")
            && (awaits(call.auth.as_ref(), "authorization")
                || awaits(forwarded.and_then(|proxy| proxy.auth.as_ref()), "proxy-authorization"));
        if probing {
            headers.set("Content-Length", b"0");
            headers.remove("expect");
        } else if !headers.contains("content-length") && !headers.contains("transfer-encoding") {
            match self.framing {
                Framing::Length(length) => headers.push(b"Content-Length", length.to_string().as_bytes()),
                Framing::Chunked | Framing::UntilClose => headers.push(b"Transfer-Encoding", b"chunked"),
                // A body that is empty is one all the same (RFC 9110 section 8.6).
                Framing::Empty => {
                    let meant = !matches!(call.body, Body::Empty) || matches!(&*call.method, "POST" | "PUT" | "PATCH");
                    if meant {
                        headers.push(b"Content-Length", b"0");
                    }
                }
            }
        }
        self.probing = probing;
        let mut bytes = Vec::new();
        match forwarded {
            Some(_) => head::encode_request(&call.method, &call.target.absolute_form(), &headers, &mut bytes),
            None => head::encode_request(&call.method, call.target.path_and_query(), &headers, &mut bytes),
        }
        self.sent_headers = Arc::new(headers);
        bytes
    }

    pub(super) fn talk(&mut self, connection: Box<Connection>, now: Time) -> State {
        let route = Arc::clone(&connection.route);
        let head = self.head(&route);
        // A peer that ended its lines in CRLF has no reason to change.
        let lf_only = self.client.settings.limits.lf_only && connection.exchanges == 0;
        let exchange = Exchange::new(&self.call.method, Limits { lf_only, ..self.client.settings.limits });
        let timeouts = &self.call.timeouts;
        let patience = Patience { read: timeouts.read, write: timeouts.write, over: self.total.deadline() };
        let expect = self.sent_headers.lists("expect", "100-continue");
        let wire = Wire::new(self.call.wire);
        self.anew = self.fed && !self.probing;
        let body = match (&self.call.body, self.framing) {
            _ if self.probing => Body::Empty,
            (Body::Fed(_), Framing::Chunked | Framing::UntilClose) => Body::Fed(None),
            (Body::Fed(_), Framing::Length(length)) => Body::Fed(Some(length)),
            (Body::Fed(_), Framing::Empty) => Body::Fed(Some(0)),
            (body, Framing::Chunked) => Body::Bytes(Arc::new(body::one_chunk(body.bytes()))),
            (body, _) => body.clone(),
        };
        let close = self.sent_headers.lists("connection", "close");
        self.timings.reused = connection.exchanges > 0;
        let opening = Opening { head, body, expect, close, patience, wire };
        State::Talking(Talk::new(connection, exchange, opening, now))
    }
}
