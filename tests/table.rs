//! Socket tables: messages of the kernel, cut and spoilt anywhere, and filters of any text.

use std::net::SocketAddr;
use std::time::Duration;

use eyesocket::error::Cause;
use eyesocket::table::netlink::{Family, Query};
use eyesocket::table::{Filter, Protocol, Row, StateSet, TimerKind};
use eyesocket::tcp::State;
use proptest::prelude::*;

const QUERY: Query = Query { protocol: Protocol::Tcp, family: Family::V4, states: StateSet::ALL };

/// A message with its header, padded to 4 bytes.
fn message(kind: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (u32::try_from(payload.len()).unwrap_or(u32::MAX) + 16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(2_u16.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// `struct inet_diag_msg` of a socket in TIME-WAIT with 6.621 s to go, and one attribute (v6only).
fn socket(family: u8, attribute: u8) -> Vec<u8> {
    let mut bytes = vec![family, State::TimeWait.linux(), 3, 0];
    bytes.extend(45945_u16.to_be_bytes());
    bytes.extend(3306_u16.to_be_bytes());
    for last in [1, 2] {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&[127, 0, 0, last]);
        bytes.extend(address);
    }
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend([7_u32.to_ne_bytes(), 1_u32.to_ne_bytes()].concat());
    for number in [6621_u32, 10, 20, 1000, 4711] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes.extend(5_u16.to_ne_bytes());
    bytes.extend(11_u16.to_ne_bytes());
    bytes.extend([attribute, 0, 0, 0]);
    bytes
}

fn read(datagram: &[u8]) -> (eyesocket::error::Result<bool>, Vec<Row>) {
    let mut rows = Vec::new();
    let done = QUERY.read(1, datagram, &mut rows);
    (done, rows)
}

#[test]
fn a_request_is_72_bytes_with_the_states_as_bits() {
    let query = Query { states: StateSet::of(State::TimeWait), ..QUERY };
    let bytes = query.request(9);
    assert_eq!(bytes.len(), 72);
    assert_eq!(bytes[..4], 72_u32.to_ne_bytes());
    assert_eq!(bytes[8..12], 9_u32.to_ne_bytes());
    assert_eq!(bytes[16..20], [2, 6, 0, 0]);
    assert_eq!(bytes[20..24], (1_u32 << 6).to_ne_bytes());
}

#[test]
fn a_socket_is_read_field_by_field() {
    let datagram = [message(20, 1, &socket(2, 1)), message(3, 1, &0_i32.to_ne_bytes())].concat();
    let (done, rows) = read(&datagram);
    assert_eq!(done, Ok(true));
    let [row] = rows.as_slice() else { panic!("{} rows", rows.len()) };
    assert_eq!((row.state, row.protocol), (State::TimeWait, Protocol::Tcp));
    assert_eq!(row.local, "127.0.0.1:45945".parse::<SocketAddr>().unwrap());
    assert_eq!(row.peer, "127.0.0.2:3306".parse::<SocketAddr>().unwrap());
    let timer = row.timer.expect("the message has one");
    assert_eq!((timer.kind, timer.expires), (TimerKind::TimeWait, Duration::from_millis(6621)));
    assert_eq!((row.recv_q, row.send_q, row.uid, row.inode), (10, 20, 1000, 4711));
    assert_eq!((row.cookie, row.v6_only), (7 | 1 << 32, Some(true)));
    assert_eq!(timer.to_string(), "timer:(timewait,6.621ms,0)");
}

#[test]
fn answers_to_an_earlier_question_are_passed_over() {
    let stale = [message(20, 0, &socket(2, 0)), message(3, 0, &0_i32.to_ne_bytes())].concat();
    assert_eq!(read(&stale), (Ok(false), vec![]));
}

#[test]
fn a_refusal_keeps_the_errno() {
    for datagram in [message(2, 1, &(-2_i32).to_ne_bytes()), message(3, 1, &(-2_i32).to_ne_bytes())] {
        let error = read(&datagram).0.unwrap_err();
        assert_eq!((&error.cause, error.address.as_deref()), (&Cause::Os(2), Some("tcp")));
    }
}

#[test]
fn a_timer_that_is_due_has_nothing_to_go() {
    let mut bytes = socket(2, 0);
    bytes[52..56].copy_from_slice(&(-5_i32).to_ne_bytes());
    let (_, rows) = read(&message(20, 1, &bytes));
    assert_eq!(rows[0].timer.map(|timer| timer.expires), Some(Duration::ZERO));
}

proptest! {
    #[test]
    fn a_cut_answer_is_an_error_and_never_a_panic(cut in 0_usize..100) {
        let whole = message(20, 1, &socket(2, 0));
        let cut = cut.min(whole.len() - 1);
        let (done, rows) = read(&whole[..cut]);
        prop_assert_eq!(rows.len(), 0);
        prop_assert_eq!(done.is_ok(), cut == 0);
    }

    #[test]
    fn spoilt_bytes_never_panic(at in 0_usize..96, byte: u8) {
        let mut bytes = message(20, 1, &socket(10, 0));
        bytes[at] = byte;
        let (_, rows) = read(&bytes);
        for row in rows {
            prop_assert!(row.to_string().starts_with("tcp  "));
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (done, rows) = read(&bytes);
        prop_assert!(done.is_err() || rows.len() <= bytes.len() / 88);
    }

    #[test]
    fn any_text_is_a_filter_or_an_error(text in ".{0,200}") {
        if let Err(error) = Filter::parse(&text) {
            let about_the_filter = matches!(error.cause, Cause::Invalid { what: "filter", .. });
            prop_assert!(about_the_filter, "{:?}", error);
        }
    }

    #[test]
    fn words_of_the_language_in_any_order(words in proptest::collection::vec(proptest::sample::select(vec![
        "state", "exclude", "time-wait", "all", "(", ")", "not", "!", "and", "or", "sport", "dport", "src", "dst", "=",
        "!=", "<", ":80", "80", "127.0.0.1", "[::1]:80", "10.0.0.0/8",
    ]), 0..20)) {
        let spaced = Filter::parse(&words.join(" "));
        if let Ok(filter) = &spaced {
            let wider = Filter::parse(&words.join("   "));
            prop_assert_eq!(Ok(filter), wider.as_ref());
        }
    }

    #[test]
    fn comparisons_are_those_of_numbers(port: u16, other: u16) {
        let datagram = { let mut s = socket(2, 0); s[4..6].copy_from_slice(&port.to_be_bytes()); message(20, 1, &s) };
        let (_, rows) = read(&datagram);
        let expected = [("=", port == other), ("!=", port != other), ("<", port < other), ("<=", port <= other),
            (">", port > other), (">=", port >= other)];
        for (order, holds) in expected {
            let filter = Filter::parse(&format!("sport {order} :{other}")).unwrap();
            prop_assert_eq!(filter.passes(&rows[0]), holds, "{} {} {}", port, order, other);
        }
    }
}
