//! The fuzz targets on stable Rust: real-looking input, mutated by a fixed seed, so that a failure can be repeated.

use eyesocket_fuzz::framing::{Which, decode, round};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const RESPONSES: [&[u8]; 6] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=\"y\"\r\nhello\r\n0\r\nA: b\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x00\x01",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"a\"\r\n\r\n",
];

const FIELDS: [&[u8]; 12] = [
    b"http://user:pass@www.example.com:8080/a/../b?c=d#e",
    b"https://[::ffff:127.0.0.1]/",
    b"http://0x7f.1/ http://site.com.12/",
    b"a=b; Domain=example.com; Path=/a; Expires=Sun, 06 Nov 2094 08:49:37 GMT; Secure",
    b"Digest realm=\"a\\\"b\", nonce=n, qop=\"auth,auth-int\", Basic",
    b"text/html; a=\"b\\\"c\"; charset=utf-8",
    b"event: x\r\ndata: a\ndata: b\rid: 7\nretry: 10\n\n",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00",
    b"\x28\xb5\x2f\xfd\x20\x08\x18\x00\x00abc\x2b\x00\x00z",
    b"\x0b\x02\x80hello\x03",
    b"\x05\x02\x01\x00\x05\x00\x00\x03\x04name\x00\x50rest",
    b"GET /?token=a HTTP/1.1\r\nX-Api-Key: b\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\npassword=c",
];

const PACKETS: [&[u8]; 4] = [
    b"\x45\0\0\x1c\0\x01\0\0\x40\x01\0\0\x7f\0\0\x01\x7f\0\0\x01\x08\0\xf7\xfd\0\x01\0\x01",
    b"\x60\0\0\0\0\x08\x3a\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x80\0\0\0\0\x01\0\x01",
    b"\x0b\0\0\0\0\0\0\0\x45\0\0\x1c\0\x01\0\0\x01\x01\0\0\x7f\0\0\x01\x7f\0\0\x02\x08\0\xf7\xfd\0\x01\0\x01",
    b"\x03\x04\0\0\0\0\x05\xdc\x45\0\0\x1c\0\x01\0\0\x40\x11\0\0\x7f\0\0\x01\x7f\0\0\x02\x04\xd2\0\x35\0\x08\0\0",
];

/// So many free bytes, then a sample with some bytes replaced, some put in and its end cut off.
fn mutated(samples: &'static [&'static [u8]], free: usize) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0_u8..3);
    (prop::sample::select(samples), prop::collection::vec(change, 0..6), any::<[u8; 2]>()).prop_map(
        move |(sample, changes, choice)| {
            let mut bytes = sample.to_vec();
            for (at, byte, how) in changes {
                let at = at.index(bytes.len().max(1));
                match how {
                    0 if at < bytes.len() => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    2 if byte < 32 => bytes.truncate(at),
                    _ => {}
                }
            }
            [&choice[..free], &bytes].concat()
        },
    )
}

fn hold(strategy: impl Strategy<Value = Vec<u8>>, target: impl Fn(&[u8])) {
    hold_for(20_000, strategy, target);
}

fn hold_for(cases: u32, strategy: impl Strategy<Value = Vec<u8>>, target: impl Fn(&[u8])) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let result = TestRunner::new_with_rng(config, rng).run(&strategy, |bytes| {
        target(&bytes);
        Ok(())
    });
    assert_eq!(result, Ok(()));
}

#[test]
fn http_response() {
    hold(mutated(&RESPONSES, 2), eyesocket_fuzz::http_response);
}

#[test]
fn http_fields() {
    hold(mutated(&FIELDS, 0), eyesocket_fuzz::http_fields);
}

/// The lines of a table of the crate's tests that begin with `word`, their escapes undone.
fn table(text: &str, word: &str) -> &'static [&'static [u8]] {
    let unescaped = |line: &str| {
        let line = line
            .replace("{ok}", "HTTP/1.1 200 OK\\r\\n")
            .replace("{chunked}", "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n");
        let (mut out, mut rest) = (Vec::new(), line.as_bytes());
        while let Some((byte, behind)) = rest.split_first() {
            let (byte, behind) = match (byte, behind) {
                (b'\\', [b'r', behind @ ..]) => (b'\r', behind),
                (b'\\', [b'n', behind @ ..]) => (b'\n', behind),
                (b'\\', [b't', behind @ ..]) => (b'\t', behind),
                (b'\\', [b'x', high, low, behind @ ..]) => {
                    let digit = |digit: &u8| char::from(*digit).to_digit(16).expect("hexadecimal") as u8;
                    (digit(high) << 4 | digit(low), behind)
                }
                _ => (*byte, behind),
            };
            out.push(byte);
            rest = behind;
        }
        &*out.leak()
    };
    text.lines().filter_map(|line| line.strip_prefix(word)).map(unescaped).collect::<Vec<_>>().leak()
}

#[test]
fn replies_of_the_table() {
    let replies = table(include_str!("../../tests/data/http_replies.txt"), "< ");
    assert!(replies.len() > 150, "{}", replies.len());
    hold(mutated(replies, 2), eyesocket_fuzz::http_response);
}

#[test]
fn cookies_of_the_table() {
    let lines = table(include_str!("../../tests/data/http_state.txt"), "set ");
    assert!(lines.len() > 250, "{}", lines.len());
    hold(mutated(lines, 0), eyesocket_fuzz::http_fields);
}

/// What the responder of Python's tests sends, a packet a line; its test keeps the file.
fn recorded() -> Vec<Vec<u8>> {
    let digit = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal");
    include_str!("../seeds/packets.hex").lines().map(|line| line.as_bytes().chunks(2).map(digit).collect()).collect()
}

#[test]
fn recorded_packets() {
    let recorded = recorded();
    assert!(recorded.len() > 60);
    recorded.iter().for_each(|packet| eyesocket_fuzz::packet(packet));
    let recorded: &'static [Vec<u8>] = recorded.leak();
    let samples: &'static [&'static [u8]] = recorded.iter().map(Vec::as_slice).collect::<Vec<_>>().leak();
    hold(mutated(samples, 0), eyesocket_fuzz::packet);
}

#[test]
fn packet() {
    hold(mutated(&PACKETS, 0), eyesocket_fuzz::packet);
    hold(prop::collection::vec(any::<u8>(), 0..200), eyesocket_fuzz::packet);
}

#[test]
fn netlink() {
    let answer = |length: u32, kind: u16, body: Vec<u8>| {
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 2], &1_u32.to_ne_bytes(), &[0; 4], &body].concat()
    };
    let message = (0_u32..160, prop::sample::select(vec![2_u16, 3, 20, 0]), prop::collection::vec(any::<u8>(), 0..144));
    let exact = prop::collection::vec(any::<u8>(), 0..144)
        .prop_map(move |body| answer(16 + u32::try_from(body.len()).unwrap_or(0), 20, body));
    hold(message.prop_map(move |(length, kind, body)| answer(length, kind, body)), eyesocket_fuzz::netlink);
    hold(exact, eyesocket_fuzz::netlink);
}

/// The free bytes that choose settings, then the stream: samples of every format, also for the others.
const STREAMS: [&[u8]; 30] = [
    b"\x40\0\0\0one\r\ntwo\nthree\n",
    b"\x50\x05\0\x02one\r\ntwo\nfour and much more than the limit allows\nthree",
    b"\x00\x03\0\0\nab\r\r\n\n",
    b"\x40\0\0\0xxabaxababa",
    b"\x40\x02\0\0xxabxbaabba",
    b"\x50\x04\0\0one--=two=three==----=",
    b"\x50\x06\0\0aaabxcydzaaaab",
    b"\x40\x0a\0\0head\r\n--boundary--text--boundary-- --boundary-",
    b"\x40\x03\x10\0\0\0\0\x05hello\0\0\0\0\0\0\0\x41",
    b"\x50\x00\x10\x01\x05hello\x41aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x01x",
    b"\x51\x89\x6e\x02x\x09\0\0\0abcdefghi",
    b"\x40\x07\x00\0\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xc0\0\0\0\x05hello\xac\x02",
    b"\x50\0\0\0\x02ab\x80\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x01x",
    b"\x40\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x40\0\0\x005:hello,0:,12:hello world!,",
    b"\x10\0\0\x014:abcd,1:a,",
    b"\x40\0\0\0999999999999999999999:",
    b"\x40\0\x01\0\x01\0\x05hello\x02\0\0",
    b"\x11\x01\x02\0\x01\0\x05\0\0hello\x02\0\0\0\0",
    b"\xc0\0\0\0\x03ab\x02c\0\x01\x01\0\x01\0",
    b"\x10\0\0\x03\x02a\0\x05abcd\0\x02b\0",
    b"\x40\0\0\0\xc0a\xdb\xdcb\xc0\xdb\xdd\xc0\xc0",
    b"\x10\0\0\x02\xc0a\xc0\xdb\xdc\xdb\xdcab\xc0c\xc0",
    b"\x40\0\0\x055;a=b\r\nhello\r\n0\r\nA: b\r\n\r\nbehind",
    b"\x10\0\0\x041\r\na\r\n5;q=\"x\"\r\nhello\r\n1\r\nb\r\n0\r\n\r\n",
    b"\x40\0\0\0f\r\nfifteen bytes..\r\n00\r\n\r\n",
    b"\x00\0\0\0abcdefgh",
    b"\x40\0\0\x13\x03some frames of some bytes, and \0\xc0\xdb\n in them",
    b"\xc0\0\0\xfe\x06\0\0\0",
];

fn hold_framing(which: Which) {
    hold_for(10_000, mutated(&STREAMS, 0), move |data: &[u8]| decode(which, data));
    hold_for(2_000, prop::collection::vec(any::<u8>(), 0..200), move |data: &[u8]| decode(which, data));
}

#[test]
fn framing_lines() {
    hold_framing(Which::Lines);
}

#[test]
fn framing_delimited() {
    hold_framing(Which::Delimited);
}

#[test]
fn framing_fixed() {
    hold_framing(Which::Fixed);
}

#[test]
fn framing_length() {
    hold_framing(Which::Length);
}

#[test]
fn framing_varint() {
    hold_framing(Which::Varint);
}

#[test]
fn framing_netstring() {
    hold_framing(Which::Netstring);
}

#[test]
fn framing_cobs() {
    hold_framing(Which::Cobs);
}

#[test]
fn framing_slip() {
    hold_framing(Which::Slip);
}

#[test]
fn framing_tlv() {
    hold_framing(Which::Tlv);
}

#[test]
fn framing_chunked() {
    hold_framing(Which::Chunked);
}

#[test]
fn framing_raw() {
    hold_framing(Which::Raw);
}

#[test]
fn framing_round() {
    hold(mutated(&STREAMS, 0), round);
    hold(prop::collection::vec(any::<u8>(), 0..200), round);
    // Full blocks, and bytes that are escaped.
    let block = (0_usize..600, prop::sample::select(vec![0_u8, 1, 7, 0xc0, 0xdb, 0xff]), any::<[u8; 4]>(), any::<u8>());
    let blocks = block.prop_map(|(count, byte, choices, which)| {
        [&choices[..], &[which], &vec![byte; count], &[0, byte, 0xc0]].concat()
    });
    hold(blocks, round);
}
