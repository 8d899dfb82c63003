//! What an answer means: the response it becomes, or the request that follows it.

use std::sync::Arc;

use crate::engine::Time;
use crate::error::{Error, Result};
use crate::http::auth::Asker;
use crate::http::body::Framing;
use crate::http::coding::Decoder;
use crate::http::head::{Headers, ResponseHead};
use crate::http::redirect;
use crate::http::wire::Wire;
use crate::net::opening::Body;
use crate::net::talk::Talk;

use super::fetch::{After, Fetch, State};
use super::{Content, Reading, Response, Timings, unix_time};

impl Fetch {
    pub(super) fn respond(&mut self, talk: Box<Talk>, head: ResponseHead) -> Result<Box<Response>> {
        let decoder = self.decoder(&talk, &head)?;
        let began = self.began.unwrap_or_default();
        let since = |time: Option<Time>| time.map(|time| time.since(began));
        self.timings.sent = since(talk.sent);
        self.timings.first_byte = since(talk.first_byte);
        Ok(Box::new(Response {
            target: self.call.target.clone(),
            method: self.call.method.clone(),
            sent_headers: Arc::clone(&self.sent_headers),
            head,
            informational: Vec::new(),
            content: Content::default(),
            trailers: Headers::new(),
            timings: self.timings,
            wire: Wire::default(),
            peer: talk.peer(),
            began,
            reading: Some(Box::new(Reading {
                talk: Some(talk),
                client: Arc::clone(&self.client),
                total: self.total,
                began,
                target: self.call.target.clone(),
                raw: Vec::new(),
                clear: Vec::new(),
                decoder,
                ended: false,
                most_content: self.call.most_content,
            })),
            history: Vec::new(),
        }))
    }

    /// What undoes the codings of the body, if there is one and it has any.
    pub(super) fn decoder(&self, talk: &Talk, head: &ResponseHead) -> Result<Option<Decoder>> {
        let exchange = talk.exchange();
        let transfer = exchange.transfer_codings();
        if exchange.framing() == Some(Framing::Empty) || exchange.switched() {
            return Ok(None);
        }
        let content = head.headers.list("content-encoding").filter(|_| self.call.decode);
        let decoder = Decoder::new(content.chain(transfer.iter().map(String::as_bytes)))?;
        if decoder.is_none() && !transfer.is_empty() {
            return Err(Error::malformed("Transfer-Encoding", format!("{} is not known here", transfer.join(", "))));
        }
        Ok(decoder)
    }

    /// Whether this head is not the last word: what follows it.
    pub(super) fn follow_up(&mut self, head: &ResponseHead) -> Result<Option<After>> {
        // RFC 9110 section 7.8: only to a protocol that the request has named.
        if head.status == 101 && !self.sent_headers.contains("upgrade") {
            return Err(Error::malformed("response", "101 (Switching Protocols) that was not asked for"));
        }
        let call = &self.call;
        if head.headers.contains("set-cookie") {
            self.client.with_jar(|jar| jar.hear(&call.target, &head.headers, unix_time()));
        }
        // A body that cannot be sent a second time.
        let fed = matches!(call.body, Body::Fed(_)) && !call.rewinds;
        if let (401, Some(auth), false) = (head.status, &call.auth, fed || call.headers.contains("authorization")) {
            let asked = call.asked(self.client.nonce());
            if let Some(value) = auth.retort(Asker::Origin, &head.headers, self.proofs, &asked) {
                return Ok(Some(After::Authorize(Asker::Origin, value)));
            }
        }
        if head.status == 407 && !fed && !call.headers.contains("proxy-authorization") {
            let route = self.client.route(&call.target);
            let proxy = route.proxy.as_ref().filter(|proxy| proxy.forwards(&route.origin));
            if let Some((proxy, auth)) = proxy.and_then(|proxy| Some((proxy, proxy.auth.as_ref()?))) {
                let target = call.target.absolute_form();
                let asked = proxy.asked(&call.method, &target, call.body.known(), self.client.nonce());
                if let Some(value) = auth.retort(Asker::Proxy, &head.headers, self.proxy_proofs, &asked) {
                    return Ok(Some(After::Authorize(Asker::Proxy, value)));
                }
            }
        }
        if head.status == 417 && !fed && call.headers.contains("expect") {
            return Ok(Some(After::Unexpecting));
        }
        if self.probing && (200..300).contains(&head.status) {
            return Ok(Some(After::Whole));
        }
        if !call.follow {
            return Ok(None);
        }
        let next = redirect::next(head, &call.method, &call.target, &call.headers, call.redirects)?;
        let Some(next) = next else { return Ok(None) };
        if self.redirects >= call.most_redirects {
            let reason = format!("more than {} in a row; the last one leads to {}", call.most_redirects, next.target);
            return Err(Error::malformed("redirections", reason));
        }
        if fed && next.keeps_body {
            return Err(Error::malformed(
                "redirection",
                "a body in pieces that can be asked for once cannot be sent a second time",
            ));
        }
        self.redirects += 1;
        Ok(Some(After::Redirect(Box::new(next))))
    }

    /// A response that is not the last is read: on to the next request.
    pub(super) fn go_on(&mut self, mut response: Box<Response>, after: After) {
        if let Some(mut reading) = response.reading.take() {
            reading.finish(&mut response);
        }
        self.history.push(*response);
        self.retried = false;
        self.timings = Timings::default();
        match after {
            After::Authorize(Asker::Proxy, value) => {
                self.proxy_authorization = Some(value);
                self.proxy_proofs += 1;
            }
            After::Authorize(Asker::Origin, value) => {
                self.authorization = Some(value);
                self.proofs += 1;
            }
            After::Whole => self.probed = true,
            After::Unexpecting => {
                let mut headers = Headers::clone(&self.call.headers);
                headers.remove("expect");
                self.call.headers = Arc::new(headers);
            }
            After::Redirect(next) => {
                (self.proofs, self.proxy_proofs) = (0, 0);
                if !next.same_origin {
                    self.call.auth = self.call.auth.take().filter(|auth| auth.travels());
                }
                if !next.keeps_body {
                    self.call.body = Body::Empty;
                    self.framing = Framing::Empty;
                }
                self.call.method = next.method;
                self.call.headers = Arc::new(next.headers);
                self.call.target = next.target;
            }
        }
        self.state = State::Begin;
    }
}
