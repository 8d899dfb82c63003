//! Cookies by RFC 6265bis: what is stored of Set-Cookie and what comes back, as a table.

#![expect(clippy::expect_used, reason = "a test's own literals")]

use eyesocket::http::cookies::{Jar, date};
use eyesocket::http::head::Headers;
use eyesocket::http::url::Target;

const NOW: i64 = 1_800_000_000;

/// The Cookie field at `to` after these Set-Cookie lines came from `from`.
fn back(from: &str, lines: &[&str], to: &str) -> String {
    let mut headers = Headers::new();
    for line in lines {
        headers.push(b"Set-Cookie", line.as_bytes());
    }
    let mut jar = Jar::default();
    jar.hear(&Target::parse(from).expect("a URL"), &headers, NOW);
    let field = jar.field(&Target::parse(to).expect("a URL"), None, NOW).unwrap_or_default();
    String::from_utf8(field).expect("what was put in is UTF-8")
}

#[test]
fn what_comes_back() {
    let (plain, tls) = ("http://www.example.com/a/b", "https://www.example.com/a/b");
    for (from, line, to, expected) in [
        // Name and value (5.6).
        (plain, "a=b", plain, "a=b"),
        (plain, "a=b; ", plain, "a=b"),
        (plain, " a = b ", plain, "a=b"),
        (plain, "a=\"b c\"", plain, "a=\"b c\""),
        (plain, "a=b=c", plain, "a=b=c"),
        (plain, "=b", plain, "b"),
        (plain, "b", plain, "b"),
        (plain, "a=", plain, "a="),
        (plain, "=", plain, ""),
        (plain, "", plain, ""),
        (plain, "; a=b", plain, ""),
        (plain, "a=b\u{1}", plain, ""),
        (plain, "a=\u{e4}", plain, "a=\u{e4}"),
        // Host and domain (5.1.3, 5.7).
        (plain, "a=b", "http://example.com/a/", ""),
        (plain, "a=b", "http://x.www.example.com/a/", ""),
        (plain, "a=b; Domain=example.com", "http://example.com/a/", "a=b"),
        (plain, "a=b; domain=.example.com", "http://x.example.com/a/", "a=b"),
        (plain, "a=b; Domain=EXAMPLE.com", "http://example.com/a/", "a=b"),
        (plain, "a=b; Domain=", "http://www.example.com/a/", "a=b"),
        (plain, "a=b; Domain=x.www.example.com", "http://x.www.example.com/a/", ""),
        (plain, "a=b; Domain=ample.com", "http://ample.com/a/", ""),
        (plain, "a=b; Domain=other.com", plain, ""),
        (plain, "a=b; Domain=com", plain, ""),
        ("http://a.github.io/", "a=b; Domain=github.io", "http://b.github.io/", ""),
        ("http://example.co.uk/", "a=b; Domain=co.uk", "http://example.co.uk/", ""),
        ("http://127.0.0.1/", "a=b; Domain=127.0.0.1", "http://127.0.0.1/", "a=b"),
        ("http://127.0.0.1/", "a=b; Domain=0.0.1", "http://127.0.0.1/", ""),
        // Path (5.1.4).
        (plain, "a=b", "http://www.example.com/a", "a=b"),
        (plain, "a=b", "http://www.example.com/ab", ""),
        (plain, "a=b", "http://www.example.com/", ""),
        (plain, "a=b; Path=/", "http://www.example.com/", "a=b"),
        (plain, "a=b; Path=a", "http://www.example.com/a/", "a=b"),
        (plain, "a=b; Path=/x", "http://www.example.com/x/y", "a=b"),
        (plain, "a=b; Path=/x", "http://www.example.com/xy", ""),
        (plain, "a=b; Path=/x; Path=/y", "http://www.example.com/y", "a=b"),
        // Time (5.6.1, 5.6.2).
        (plain, "a=b; Max-Age=1", plain, "a=b"),
        (plain, "a=b; Max-Age=0", plain, ""),
        (plain, "a=b; Max-Age=-1", plain, ""),
        (plain, "a=b; Max-Age=x", plain, "a=b"),
        (plain, "a=b; Max-Age=99999999999999999999", plain, "a=b"),
        (plain, "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", plain, ""),
        (plain, "a=b; Expires=Fri, 31 Dec 2100 23:59:59 GMT", plain, "a=b"),
        (plain, "a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=5", plain, "a=b"),
        (plain, "a=b; Expires=nonsense", plain, "a=b"),
        // Secure and prefixes (5.7, 4.1.3).
        (tls, "a=b; Secure", tls, "a=b"),
        (tls, "a=b; Secure", plain, ""),
        (plain, "a=b; Secure", tls, ""),
        (tls, "__Secure-a=b; Secure", tls, "__Secure-a=b"),
        (tls, "__Secure-a=b", tls, ""),
        (tls, "__Host-a=b; Secure; Path=/", tls, "__Host-a=b"),
        (tls, "__HOST-a=b; Secure; Path=/; Domain=www.example.com", tls, ""),
        (tls, "__Host-a=b; Secure; Path=/a", tls, ""),
        (tls, "__Host-a=b; Secure", tls, ""),
        (tls, "=__Host-a=b", tls, ""),
        (tls, "a=b; HttpOnly; SameSite=Strict; Unknown", tls, "a=b"),
    ] {
        assert_eq!(back(from, &[line], to), expected, "{line:?} from {from} at {to}");
    }
}

#[test]
fn longer_paths_and_older_cookies_come_first() {
    let lines = ["a=1; Path=/", "b=2; Path=/x", "c=3; Path=/", "a=4; Path=/"];
    assert_eq!(back("http://h.example/x/y", &lines, "http://h.example/x/y"), "b=2; a=4; c=3");
    assert_eq!(back("http://h.example/", &["a=1", "a=; Max-Age=0"], "http://h.example/"), "");
}

#[test]
fn a_plain_connection_cannot_touch_a_secure_cookie() {
    let (tls, plain) =
        (Target::parse("https://h.example/").expect("a URL"), Target::parse("http://h.example/").expect("a URL"));
    let mut jar = Jar::default();
    let set = |line: &str| {
        let mut headers = Headers::new();
        headers.push(b"Set-Cookie", line.as_bytes());
        headers
    };
    jar.hear(&tls, &set("a=good; Secure"), NOW);
    jar.hear(&plain, &set("a=evil"), NOW);
    jar.hear(&plain, &set("a=evil; Domain=h.example; Path=/deeper"), NOW);
    assert_eq!(jar.field(&tls, None, NOW).as_deref(), Some(&b"a=good"[..]));
}

#[test]
fn a_flood_stays_within_its_domain() {
    let mut jar = Jar::default();
    let mut headers = Headers::new();
    headers.push(b"Set-Cookie", b"keep=1");
    jar.hear(&Target::parse("http://quiet.example/").expect("a URL"), &headers, NOW);
    for batch in 0..20 {
        let mut headers = Headers::new();
        for number in 0..100 {
            headers.push(b"Set-Cookie", format!("c{batch}x{number}=v").as_bytes());
        }
        jar.hear(&Target::parse("http://loud.example/").expect("a URL"), &headers, NOW);
    }
    assert_eq!(jar.iter(NOW).filter(|cookie| cookie.domain == "loud.example").count(), 180);
    assert_eq!(jar.iter(NOW).filter(|cookie| cookie.domain == "quiet.example").count(), 1);
    assert!(jar.iter(NOW).any(|cookie| cookie.name == b"c19x99"));
}

#[test]
fn a_life_has_an_end() {
    let mut jar = Jar::default();
    let mut headers = Headers::new();
    headers.push(b"Set-Cookie", b"a=1; Max-Age=999999999");
    let target = Target::parse("http://h.example/").expect("a URL");
    jar.hear(&target, &headers, NOW);
    assert!(jar.field(&target, None, NOW + 399 * 86_400).is_some());
    assert!(jar.field(&target, None, NOW + 401 * 86_400).is_none());
}

#[test]
fn dates() {
    for (text, expected) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
        ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
        ("06 nov 1994 8:49:37", Some(784_111_777)),
        ("1 Jan 1970 00:00:00", Some(0)),
        ("29 Feb 2000 12:00:00", Some(951_825_600)),
        ("29 Feb 1900 12:00:00", None),
        ("31 Apr 2020 12:00:00", None),
        ("1 Jan 2020 24:00:00", None),
        ("1 Jan 1600 00:00:00", None),
        ("1 Jan 2020", None),
        ("", None),
    ] {
        assert_eq!(date(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn hosts_of_one_owner_flood_only_their_own() {
    let mut jar = Jar::default();
    let mut headers = Headers::new();
    headers.push(b"Set-Cookie", b"session=1");
    let bank = Target::parse("http://bank.example.org/").expect("a URL");
    jar.hear(&bank, &headers, NOW);
    for host in 0..20 {
        let mut headers = Headers::new();
        for number in 0..200 {
            headers.push(b"Set-Cookie", format!("c{number}=v").as_bytes());
        }
        let loud = Target::parse(&format!("http://h{host}.loud.co.uk/")).expect("a URL");
        jar.hear(&loud, &headers, NOW);
    }
    assert_eq!(jar.field(&bank, None, NOW).as_deref(), Some(&b"session=1"[..]));
    assert_eq!(jar.iter(NOW).count(), 181);
}

#[test]
fn a_field_stays_small_enough_for_servers() {
    let mut jar = Jar::default();
    let mut headers = Headers::new();
    for number in 0..100 {
        headers.push(b"Set-Cookie", format!("c{number}={}; Domain=example.com", "x".repeat(1000)).as_bytes());
    }
    jar.hear(&Target::parse("http://evil.example.com/").expect("a URL"), &headers, NOW);
    let field = jar.field(&Target::parse("http://shop.example.com/").expect("a URL"), None, NOW).unwrap_or_default();
    assert!(field.starts_with(b"c0=x") && field.len() > 6000 && field.len() <= 8000, "{}", field.len());
}
