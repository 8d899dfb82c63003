//! HTTP/1.1 as a user agent speaks it (RFC 9110, RFC 9112), without sockets: bytes and times in, bytes and events out.
//!
//! * [`head`]: header fields, request heads to bytes, response heads from bytes, with the limits of both.
//! * [`body`]: where a body ends: Content-Length, our own strict chunk reader, the end of the connection.
//! * [`exchange`]: one request's answer on one connection: 1xx, the final head, the body, what is left over.
//! * [`url`]: what is asked for, from whom.
//! * [`wire`]: the bytes that went both ways, kept to be shown; [`secret`]: what of them is not.
//! * [`redirect`], [`auth`], [`cookies`], [`proxy`], [`socks`]: what a request becomes on its way.
//! * [`coding`], [`charset`], [`sse`]: what content is; [`multipart`]: forms to be sent.

pub mod auth;
pub mod body;
pub mod charset;
pub mod coding;
pub mod cookies;
pub mod exchange;
pub mod head;
pub mod multipart;
pub mod proxy;
pub mod redirect;
pub mod secret;
pub mod socks;
pub mod sse;
pub mod url;
pub mod wire;
