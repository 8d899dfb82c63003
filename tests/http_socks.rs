//! SOCKS handshakes: every field of the proxy's messages counts, and they mean the same however the network cuts them.

use std::net::SocketAddr;

use eyesocket::error::Cause;
use eyesocket::http::socks::{Destination, Handshake};
use proptest::prelude::*;

/// What a client that sees `said` come in pieces of `cut` bytes sends, and how much it leaves for the tunnel.
fn shake(credentials: bool, said: &[u8], cut: usize) -> Result<Option<(Vec<u8>, usize)>, String> {
    let credentials = credentials.then(|| (b"user".to_vec(), b"secret".to_vec()));
    let destination = Destination::Name("name.example".to_owned(), 80);
    let mut handshake = Handshake::new(destination, credentials).map_err(|error| error.to_string())?;
    let (mut sent, mut have, mut at) = (handshake.outgoing(), Vec::new(), 0);
    while at < said.len() {
        let take = handshake.wanted(&have).min(cut).min(said.len() - at);
        assert!(take > 0, "it wants nothing and is not done");
        have.extend_from_slice(&said[at..at + take]);
        at += take;
        if handshake.handle_input(&mut have).map_err(|error| {
            assert!(matches!(error.cause, Cause::Malformed { what: "SOCKS reply", .. }), "{error}");
            error.to_string()
        })? {
            return Ok(Some((sent, said.len() - at)));
        }
        sent.extend(handshake.outgoing());
    }
    Ok(None)
}

const ASKED: &[u8] = b"\x05\x01\x00\x03\x0cname.example\x00\x50";

#[test]
fn replies_with_every_kind_of_address() {
    for address in [&b"\x01\x7f\0\0\x01"[..], b"\x03\x04name", b"\x03\x00", b"\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"] {
        let said = [b"\x05\x00\x05\x00\x00", address, b"\x12\x34rest"].concat();
        for cut in 1..said.len() {
            let (sent, left) = shake(false, &said, cut).unwrap().unwrap();
            assert_eq!((&sent[..], left), (&[b"\x05\x01\x00", ASKED].concat()[..], 4));
            for end in 0..said.len() - 4 {
                assert_eq!(shake(false, &said[..end], cut), Ok(None), "{end}");
            }
        }
    }
}

#[test]
fn user_and_password() {
    // Some servers answer with SOCKS's version where RFC 1929 has its own.
    for version in [1, 5] {
        let said = [5, 2, version, 0, 5, 0, 0, 1, 127, 0, 0, 1, 0, 80];
        let (sent, left) = shake(true, &said, 3).unwrap().unwrap();
        let wanted = [&b"\x05\x02\x00\x02\x01\x04user\x06secret"[..], ASKED].concat();
        assert_eq!((sent, left), (wanted, 0));
    }
    // Or without, if the proxy wants none.
    assert!(shake(true, &[5, 0, 5, 0, 0, 1, 127, 0, 0, 1, 0, 80], 1).unwrap().is_some());
}

#[test]
fn what_is_refused() {
    let good = [5, 0, 5, 0, 0, 1, 127, 0, 0, 1, 0, 80];
    let with = |at: usize, byte: u8| {
        let mut said = good;
        said[at] = byte;
        said.to_vec()
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (with(0, 4), "version 5"),
        (with(0, b'H'), "version 5"),
        (with(1, 1), "none of our ways"),
        (with(1, 2), "user and password"),
        (with(1, 255), "none of our ways"),
        (with(2, 4), "version 5"),
        (with(2, 0), "version 5"),
        (with(3, 1), "general failure"),
        (with(3, 5), "connection refused"),
        (with(3, 8), "address type"),
        (with(3, 9), "unknown reason"),
        (with(4, 1), "reserved"),
        (with(5, 0), "address type 0"),
        (with(5, 2), "address type 2"),
        (with(5, 9), "address type 9"),
        (with(5, 255), "address type 255"),
        // A proxy that refuses need not say the rest.
        (vec![5, 0, 5, 5], "connection refused"),
        (vec![5, 0, 5, 0, 0, 9], "address type 9"),
    ];
    for (said, reason) in cases {
        for cut in [1, 2, 3, 100] {
            let refusal = shake(false, &said, cut).expect_err(reason);
            assert!(refusal.contains(reason), "{said:?}: {refusal}");
        }
    }
    for (said, reason) in [([5, 2, 1, 1], "wrong"), ([5, 2, 0, 0], "version 1"), ([5, 2, 72, 84], "version 1")] {
        assert!(shake(true, &said, 1).expect_err(reason).contains(reason));
    }
}

#[test]
fn what_does_not_fit_is_not_asked() {
    let long = "n".repeat(256);
    assert!(Handshake::new(Destination::Name(long.clone(), 80), None).is_err());
    assert!(Handshake::new(Destination::Name(String::new(), 80), None).is_err());
    let address: SocketAddr = "127.0.0.1:80".parse().unwrap();
    for credentials in [(long.clone().into_bytes(), vec![b'p']), (vec![b'u'], long.into_bytes())] {
        assert!(Handshake::new(Destination::Address(address), Some(credentials)).is_err());
    }
}

proptest! {
    #[test]
    fn anything_ends(said in proptest::collection::vec(any::<u8>(), 0..400), cut in 1_usize..20, credentials: bool) {
        let _ = shake(credentials, &said, cut);
    }
}
