//! Bodies mean the same however the network cuts them, and what follows a body stays.

use eyesocket::http::exchange::{Event, Exchange};
use eyesocket::http::head::Limits;
use proptest::prelude::*;

/// Content and what is left over, fed in pieces of `cut` bytes.
fn read(reply: &[u8], cut: usize) -> Result<(Vec<u8>, usize), String> {
    let mut exchange = Exchange::new("GET", Limits::default());
    let (mut input, mut at, mut content) = (Vec::new(), 0, Vec::new());
    for piece in reply.chunks(cut) {
        input.extend_from_slice(piece);
        loop {
            match exchange.handle_input(&input, &mut at).map_err(|error| error.to_string())? {
                Event::More => break,
                Event::Informational(_) | Event::Head(_) => {}
                Event::Data(range) => content.extend_from_slice(&input[range]),
                Event::End => return Ok((content, reply.len() - at)),
            }
        }
    }
    exchange.handle_end_of_input().map_err(|error| error.to_string())?;
    Ok((content, 0))
}

fn chunked(pieces: &[Vec<u8>], extension: &str, trailer: &str) -> Vec<u8> {
    let mut reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        reply.extend_from_slice(format!("{:X}{extension}\r\n", piece.len()).as_bytes());
        reply.extend_from_slice(piece);
        reply.extend_from_slice(b"\r\n");
    }
    reply.extend_from_slice(format!("0{extension}\r\n{trailer}\r\n").as_bytes());
    reply
}

proptest! {
    #[test]
    fn chunks_at_any_cut(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
        extension in prop::sample::select(vec!["", ";a", ";a=b", "; a = \"b;\\\"\""]),
        trailer in prop::sample::select(vec!["", "A: b\r\n", "A: b\r\nC:\r\n"]),
        rest in prop::collection::vec(any::<u8>(), 0..20),
        cut in 1_usize..100,
    ) {
        let mut reply = chunked(&pieces, extension, trailer);
        reply.extend_from_slice(&rest);
        prop_assert_eq!(read(&reply, cut), Ok((pieces.concat(), rest.len())));
    }

    #[test]
    fn a_cut_off_body_is_never_whole(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 1..4),
        cut in 1_usize..50,
        at in any::<prop::sample::Index>(),
    ) {
        let reply = chunked(&pieces, "", "");
        let kept = at.index(reply.len());
        prop_assert!(read(&reply[..kept], cut).is_err());
    }

    #[test]
    fn lengths_at_any_cut(content in prop::collection::vec(any::<u8>(), 0..300), rest in prop::collection::vec(any::<u8>(), 0..20), cut in 1_usize..100) {
        let mut reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len()).into_bytes();
        reply.extend_from_slice(&content);
        reply.extend_from_slice(&rest);
        prop_assert_eq!(read(&reply, cut), Ok((content, rest.len())));
    }
}
