//! Heads of responses: no carriage return that a second reader could take for the end of a line gets through.

use eyesocket::http::head::parse_response;

#[test]
fn a_carriage_return_alone_is_refused_wherever_it_stands() {
    let head = b"HTTP/1.1 200 OK then\r\nName: value of it\r\nOther:\r\n\r\n";
    assert!(parse_response(head).is_ok());
    for at in 0..=head.len() {
        let mut broken = head.to_vec();
        broken.insert(at, b'\r');
        // Before the block's own lines end it is a line that is not there; behind them it is not part of the head.
        let refused = parse_response(&broken).is_err();
        assert!(refused || at == head.len(), "at {at}: {:?}", String::from_utf8_lossy(&broken));
    }
}
