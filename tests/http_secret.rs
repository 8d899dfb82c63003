//! What is hidden, what is not, and that hiding in place moves nothing.

use eyesocket::http::secret::body::overwrite;
use eyesocket::http::secret::{Text, field, overwrite_lines, overwrite_request, overwrite_response, parameter, shown};
use proptest::prelude::*;

#[test]
fn fields() {
    for name in [
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "SET-COOKIE",
        "X-Api-Key",
        "x-auth-token",
        "apikey",
        "X-Auth",
        "X-Amz-Security-Token",
        "Private-Token",
        "X-CSRF-Token",
        "X-Vault-Token",
        "Ocp-Apim-Subscription-Key",
        "X-Session-Id",
        "X-Functions-Key",
        "X-Goog-Api-Key",
        "Authentication-Info",
        "X-Client-Secret",
        "X-Password",
        "Job-Token",
        "X-JWT",
    ] {
        assert!(field(name.as_bytes()), "{name}");
    }
    for name in [
        "Accept",
        "Content-Type",
        "Content-Length",
        "Host",
        "Location",
        "WWW-Authenticate",
        "Idempotency-Key",
        "ETag",
        "Author",
        "Sec-WebSocket-Key",
        "Surrogate-Key",
        "Access-Control-Allow-Credentials",
        "Keep-Alive",
        "X-Request-Id",
        "Max-Tokens",
        "Signature-Input",
        "Passenger",
        "",
    ] {
        assert!(!field(name.as_bytes()), "{name}");
    }
}

#[test]
fn parameters() {
    for name in [
        "token",
        "access_token",
        "accessToken",
        "ACCESS_TOKEN",
        "id_token",
        "sig",
        "signature",
        "X-Amz-Signature",
        "key",
        "api_key",
        "apikey",
        "password",
        "passwd",
        "pwd",
        "pass",
        "secret",
        "client_secret",
        "auth",
        "code",
        "jsessionid",
        "PHPSESSID",
        "sid",
        "X-Amz-Credential",
        "X-Goog-Signature",
        "SAMLResponse",
        "%74oken",
        "to%6ben",
        "user%5Bpassword%5D",
        "user[pin]",
        "jwt",
    ] {
        assert!(parameter(name.as_bytes()), "{name}");
    }
    for name in
        ["q", "page", "max_tokens", "sort_key", "zip_code", "author", "keyword", "state", "design", "monkey", ""]
    {
        assert!(!parameter(name.as_bytes()), "{name}");
    }
}

#[test]
fn urls() {
    for (text, wanted) in [
        ("http://h/", "http://h/"),
        ("http://h/?token=abc", "http://h/?token=[secure]"),
        ("http://h/p;jsessionid=abc?a=1&sig=x%20y&b=2#c", "http://h/p;jsessionid=[secure]?a=1&sig=[secure]&b=2#c"),
        ("http://h/#access_token=abc&x=1", "http://h/#access_token=[secure]&x=1"),
        ("http://user:pw@h/?token=", "http://user:[secure]@h/?token="),
        ("http://secret@h/", "http://[secure]@h/"),
        ("http://u:a@b:token=c@h/", "http://u:[secure]@h/"),
        ("http://h/a@b:c", "http://h/a@b:c"),
        ("/relative?key=1&\u{fc}=\u{fc}&password=\u{fc}", "/relative?key=[secure]&\u{fc}=\u{fc}&password=[secure]"),
        (
            "<http://h/?token=abc>; rel=\"next\", <http://h/?b>",
            "<http://h/?token=[secure]>; rel=\"next\", <http://h/?b>",
        ),
        ("?token=a=b&token=c", "?token=[secure]&token=[secure]"),
        // What people write in place of a URL.
        ("user:pw@h/", "user:[secure]@h/"),
        ("//user:pw@h/", "//user:[secure]@h/"),
        ("http:/user:pw@h", "http:/user:[secure]@h"),
        ("http:user:pw@h", "http:[secure]@h"),
        ("http:\\\\user:pw@h", "http:\\\\user:[secure]@h"),
        ("url: \"user:pw@h\" (proxy=user:p@w@h)", "url: \"user:[secure]@h\" (proxy=user:[secure]@h)"),
        ("mail me@h about /path/a:b@c", "mail me@h about /path/a:b@c"),
        ("12:30 and h:80/a@b", "12:30 and h:80/a@b"),
    ] {
        assert_eq!(shown(text, Text::Prose), wanted);
    }
    assert_eq!(shown("password=a&b=c", Text::Form), "password=[secure]&b=c");
    assert_eq!(shown("password=a&b=c", Text::Prose), "password=a&b=c");
}

fn lines(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    overwrite_lines(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn lines_of_heads() {
    for (text, wanted) in [
        ("GET /?token=abc&a=b HTTP/1.1\r\nHost: h\r\n", "GET /?token=***&a=b HTTP/1.1\r\nHost: h\r\n"),
        ("Authorization: Basic abc=\r\nX: 1\r\n", "Authorization: Basic ****\r\nX: 1\r\n"),
        ("authorization:abc\r\n", "authorization:***\r\n"),
        ("Cookie:  a=b; c\r\n\r\n", "Cookie:  ******\r\n\r\n"),
        // Also where lines end in LF alone, or not yet.
        ("HTTP/1.1 200 OK\nSet-Cookie: a=b\nX: 1\n\n", "HTTP/1.1 200 OK\nSet-Cookie: ***\nX: 1\n\n"),
        ("X: 1\r\nX-Auth-Token: ab", "X: 1\r\nX-Auth-Token: **"),
        ("Location: http://u:pw@h/?a=1&sig=2#t\r\n", "Location: http://u:**@h/?a=1&sig=*#t\r\n"),
    ] {
        assert_eq!(lines(text), wanted);
    }
}

#[test]
fn whole_messages() {
    let mut sent =
        b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nuser=me&password=pw&x=1".to_vec();
    overwrite_request(&mut sent);
    assert!(sent.ends_with(b"\r\n\r\nuser=me&password=**&x=1"));
    // Cut within the value, and by the end of the record.
    let head =
        "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, wanted) in [
        (
            "f\r\nuser=a&password\r\n3\r\n=s3\r\na\r\ncret&x=1&y\r\n0\r\n\r\n",
            "f\r\nuser=a&password\r\n3\r\n=**\r\na\r\n****&x=1&y\r\n0\r\n\r\n",
        ),
        ("b\r\npassword=s3\r\n5\r\ncr", "b\r\npassword=**\r\n5\r\n**"),
    ] {
        let mut sent = format!("{head}{body}").into_bytes();
        overwrite_request(&mut sent);
        assert_eq!(String::from_utf8(sent).unwrap(), format!("{head}{wanted}"));
    }
    let mut sent = b"POST / HTTP/1.1\r\nX-Api-Key: k\r\n\r\nCookie: text&password=pw".to_vec();
    overwrite_request(&mut sent);
    assert!(sent.ends_with(b"X-Api-Key: *\r\n\r\nCookie: text&password=pw"));
    let interim = "HTTP/1.1 103 E\r\nSet-Cookie: a\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: b\r\n\r\n";
    let mut received = format!("{interim}3\r\nCookie: content\r\n0\r\nX-Token: c\r\n\r\n").into_bytes();
    let start = interim.len() + 3;
    overwrite_response(&mut received, &[(start, start + 15)]);
    let wanted = format!(
        "{}3\r\nCookie: content\r\n0\r\nX-Token: *\r\n\r\n",
        interim.replace(": a", ": *").replace(": b", ": *")
    );
    assert_eq!(String::from_utf8(received).unwrap(), wanted);
}

fn in_a_body(kind: &str, body: &str) -> String {
    let mut bytes = body.as_bytes().to_vec();
    overwrite(&mut bytes, kind);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn json() {
    for (text, wanted) in [
        (r#"{"user":"me","password":"pw","n":1}"#, r#"{"user":"me","password":"**","n":1}"#),
        (r#"{"access_token" : "ab\"c" , "expires_in": 3600}"#, r#"{"access_token" : "*****" , "expires_in": 3600}"#),
        (
            r#"[{"a":{"clientSecret":"x"}},{"pin":1234,"code":7,"key":"k"}]"#,
            r#"[{"a":{"clientSecret":"*"}},{"pin":****,"code":7,"key":"k"}]"#,
        ),
        (r#"{"pass\u0077ord":"pw"}"#, r#"{"pass\u0077ord":"**"}"#),
        (
            r#"{"session":{"id":"ab","list":[1,"c",null]},"x":"y"}"#,
            r#"{"session":{"id":"**","list":[*,"*",null]},"x":"y"}"#,
        ),
        (r#"{"token":null,"password":true,"secret":""}"#, r#"{"token":null,"password":true,"secret":""}"#),
        (r#"{"note":"password","list":["token","x"]}"#, r#"{"note":"password","list":["token","x"]}"#),
        // Cut, and worse.
        (r#"{"password":"p"#, r#"{"password":"*"#),
        (r#"{"password":"p\"#, r#"{"password":"**"#),
        (r#"{"password":"a":"b"}"#, r#"{"password":"*":"b"}"#),
        (r#"{"password":"#, r#"{"password":"#),
        ("{\"a\\", "{\"a\\"),
    ] {
        assert_eq!(in_a_body("application/json; charset=utf-8", text), wanted);
        assert_eq!(in_a_body("application/problem+json", text), wanted);
        assert_eq!(in_a_body("text/plain", text), text);
    }
    let lines = "{\"token\":\"a\"}\n{\"token\":\"b\"}\n";
    assert_eq!(in_a_body("application/x-ndjson", lines), "{\"token\":\"*\"}\n{\"token\":\"*\"}\n");
}

#[test]
fn parts() {
    let part = |name: &str, content: &str| {
        format!("--XY\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    let whole = |content: &str| part("user", "me") + &part("password", content) + "--XY--\r\n";
    let kind = "multipart/form-data; boundary=\"XY\"";
    assert_eq!(in_a_body(kind, &whole("p\r\nw")), whole("****"));
    assert_eq!(
        in_a_body(kind, "--XY\r\ncontent-disposition: form-data; name=token\r\n\r\nab"),
        "--XY\r\ncontent-disposition: form-data; name=token\r\n\r\n**"
    );
    assert_eq!(in_a_body("multipart/form-data", &whole("pw")), whole("pw"));
}

#[test]
fn json_of_both_ways() {
    let head = "POST / HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut sent = format!("{head}8\r\n{{\"token\"\r\n5\r\n:\"ab\"\r\n").into_bytes();
    overwrite_request(&mut sent);
    assert_eq!(String::from_utf8_lossy(&sent), format!("{head}8\r\n{{\"token\"\r\n5\r\n:\"**\"\r\n"));
    for (coding, stars) in [("", "**"), ("Content-Encoding: gzip\r\n", "ab")] {
        let heads = format!(
            "HTTP/1.1 103 E\r\nContent-Encoding: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{coding}\r\n"
        );
        let whole = |token: &str| format!("{heads}a\r\n{{\"token\":\"\r\n3\r\n{token}\"\r\n");
        let mut received = whole("ab").into_bytes();
        let first = heads.len() + 3;
        overwrite_response(&mut received, &[(first, first + 10), (first + 15, first + 18)]);
        assert_eq!(String::from_utf8_lossy(&received), whole(stars));
    }
}

proptest! {
    #[test]
    fn bodies_stay_as_long(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[{}\\[\\]:,\"\\\\a1 ]{0,60}") {
        for kind in ["application/json", "multipart/form-data; boundary=a", "application/x-www-form-urlencoded"] {
            for body in [&bytes[..], text.as_bytes(), format!("{{\"token\":{text}").as_bytes()] {
                let mut changed = body.to_vec();
                overwrite(&mut changed, kind);
                prop_assert_eq!(changed.len(), body.len());
                prop_assert!(changed.iter().zip(body).all(|(now, was)| now == was || *now == b'*'));
            }
        }
    }

    #[test]
    fn nothing_moves(bytes in proptest::collection::vec(any::<u8>(), 0..300), spans in proptest::collection::vec((0_usize..300, 0_usize..300), 0..4)) {
        let mut sent = bytes.clone();
        overwrite_request(&mut sent);
        let mut received = bytes.clone();
        overwrite_response(&mut received, &spans);
        for changed in [sent, received] {
            prop_assert_eq!(changed.len(), bytes.len());
            prop_assert!(changed.iter().zip(&bytes).all(|(now, was)| now == was || *now == b'*'));
        }
    }

    #[test]
    fn what_is_shown_has_no_secret(before in "[a-z/?&=#;.:@]{0,20}", after in "[a-z&=]{0,20}") {
        let text = format!("http://h/{before}&access_token=S3CR3T&{after}");
        prop_assert!(!shown(&text, Text::Prose).contains("S3CR3T"), "{}", text);
    }
}
