//! The layers, proven from the sources: the list in `src/lib.rs` is read and every path a file names is held against it.
//!
//! The checks are functions from a path and a text to complaints, so that the last tests can plant what must be found.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "also the functions beside the tests are tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The floors that hold no socket, clock, thread, environment or log.
const PURE: [&str; 9] = ["error", "engine", "packet", "framing", "http", "tcp", "probe", "table", "draw"];

/// Of `std::net`, the pure floors use the types of addresses and nothing that opens anything.
const ADDRESSES: [&str; 7] =
    ["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr", "SocketAddrV4", "SocketAddrV6", "AddrParseError"];

/// What a pure floor does not name; the sockets, clocks, threads, files and streams of the standard library.
const IMPURE: [&str; 9] = [
    "std::env",
    "std::thread",
    "std::fs",
    "std::process",
    "std::os",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::sync::mpsc",
    "std::thread_local",
];

/// Crates that a pure floor does not name, each with the only floors that do.
const CRATES: [(&str, &[&str]); 6] = [
    ("pyo3", &["python"]),
    ("socket2", &["sys", "net", "python"]),
    ("rustls", &["net"]),
    ("rustls_native_certs", &["net"]),
    ("log", &[]),
    ("tracing", &[]),
];

/// Macros that write somewhere.
const LOUD: [&str; 5] = ["println!", "print!", "eprintln!", "eprint!", "dbg!"];

/// A path as written, with `use` trees unfolded; a macro keeps its `!`.
struct Named {
    segments: Vec<String>,
    line: usize,
    /// How many `mod name { }` of the file it stands in.
    depth: usize,
}

fn paths(tokens: TokenStream, depth: usize, found: &mut Vec<Named>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < trees.len() {
        match &trees[at] {
            TokenTree::Ident(word) => {
                let inline = match (word == "mod", trees.get(at + 2)) {
                    (true, Some(TokenTree::Group(body))) => Some(body),
                    _ => None,
                };
                if let Some(body) = inline {
                    paths(body.stream(), depth + 1, found);
                    at += 3;
                } else {
                    at = path(&trees, at, &[], depth, found);
                }
            }
            TokenTree::Group(group) => {
                paths(group.stream(), depth, found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

fn punct(trees: &[TokenTree], at: usize, wanted: char) -> bool {
    matches!(trees.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// Reads one path that starts at `at`, below `prefix`; gives where it ends.
fn path(trees: &[TokenTree], mut at: usize, prefix: &[String], depth: usize, found: &mut Vec<Named>) -> usize {
    let mut segments = prefix.to_vec();
    let line = trees[at].span().start().line;
    loop {
        match trees.get(at) {
            Some(TokenTree::Ident(ident)) => segments.push(ident.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut start = 0;
                while start < inner.len() {
                    match &inner[start] {
                        TokenTree::Ident(word) if word == "as" => start += 2,
                        TokenTree::Ident(_) => start = path(&inner, start, &segments, depth, found),
                        TokenTree::Punct(star) if star.as_char() == '*' => {
                            found.push(Named { segments: [&segments[..], &["*".to_owned()]].concat(), line, depth });
                            start += 1;
                        }
                        _ => start += 1,
                    }
                }
                return at + 1;
            }
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => segments.push("*".to_owned()),
            _ => break,
        }
        at += 1;
        if punct(trees, at, ':') && punct(trees, at + 1, ':') {
            at += 2;
        } else {
            break;
        }
    }
    if punct(trees, at, '!')
        && !punct(trees, at + 1, '=')
        && let Some(last) = segments.last_mut()
    {
        last.push('!');
    }
    found.push(Named { segments, line, depth });
    at
}

/// Floor of each module, by the list at the head of `src/lib.rs`; `then` opens a floor within a line.
fn floors(lib: &str) -> BTreeMap<String, usize> {
    let mut floors = BTreeMap::new();
    let mut floor = 0;
    for line in lib.lines() {
        let Some((number, text)) = line.strip_prefix("//! ").and_then(|rest| rest.split_once(". ")) else { continue };
        if number.parse::<u32>().is_err() {
            continue;
        }
        let Some((names, _)) = text.split_once(": ") else { continue };
        for part in names.split("then") {
            floor += 1;
            for name in part.split('`').skip(1).step_by(2) {
                floors.insert(name.to_owned(), floor);
            }
        }
    }
    floors
}

/// The module path of a source file: `src/http/body.rs` is `http body`.
fn module(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).skip(1).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// What of the layering `source`, the text of `path` (from the top of the checkout), breaks.
fn complaints(floors: &BTreeMap<String, usize>, path: &Path, source: &str) -> Vec<String> {
    let tokens: TokenStream = source.parse().expect("Rust");
    let here = module(path);
    let Some(layer) = here.first() else { return Vec::new() };
    let mut named = Vec::new();
    paths(tokens, 0, &mut named);
    let mut found = Vec::new();
    for Named { segments, line, depth } in named {
        let mut complain = |text: String| found.push(format!("{}:{line}: {text}", path.display()));
        let written = segments.join("::");
        let supers = segments.iter().take_while(|segment| *segment == "super").count();
        let target = match segments[0].as_str() {
            "crate" => segments.get(1),
            "super" if supers >= here.len() + depth => segments.get(supers),
            _ => None,
        };
        if let Some(target) = target.filter(|target| *target != layer) {
            match (floors.get(layer), floors.get(target)) {
                (Some(own), Some(other)) if other < own => {}
                (Some(_), Some(_)) => {
                    complain(format!("`{layer}` names `{written}`, which is not above it in src/lib.rs"))
                }
                (None, _) => complain(format!("`{layer}` is not in the list of src/lib.rs")),
                (_, None) => complain(format!("`{written}` is in no layer of src/lib.rs")),
            }
        }
        for (name, allowed) in CRATES {
            if segments[0] == name && segments.len() > 1 && !allowed.contains(&layer.as_str()) {
                complain(format!("`{layer}` names `{written}`; only {allowed:?} may"));
            }
        }
        if segments == ["unsafe"] && layer != "sys" && (here.len() < 2 || here[..2] != ["python", "socket"]) {
            complain("`unsafe` outside src/sys and src/python/socket".to_owned());
        }
        if LOUD.contains(&written.as_str()) {
            complain(format!("`{written}` writes to the process's streams"));
        }
        if PURE.contains(&layer.as_str()) {
            if IMPURE.iter().any(|impure| written == *impure || written.starts_with(&format!("{impure}::"))) {
                complain(format!("`{layer}` is pure and names `{written}`"));
            }
            if segments.len() > 2 && segments[..2] == ["std", "net"] && !ADDRESSES.contains(&segments[2].as_str()) {
                complain(format!("`{layer}` is pure and names `{written}`; of std::net only addresses"));
            }
            let call = |name: &String| name.chars().next().is_some_and(char::is_lowercase) && name != "c_int";
            if segments[0] == "libc" && segments.get(1).is_some_and(call) {
                complain(format!("`{layer}` is pure and names `{written}`; of libc only constants"));
            }
        }
    }
    found
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn our_floors() -> BTreeMap<String, usize> {
    floors(&std::fs::read_to_string(top().join("src/lib.rs")).unwrap())
}

#[test]
fn every_module_is_in_the_list() {
    let floors = our_floors();
    let modules: Vec<String> = std::fs::read_dir(top().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "lib")
        .collect();
    assert!(modules.len() >= 12, "{modules:?}");
    for module in &modules {
        assert!(floors.contains_key(module), "`{module}` is not in the list of src/lib.rs");
    }
    assert_eq!(floors.len(), modules.len(), "the list names what does not exist: {floors:?}");
    for pure in PURE {
        assert!(floors[pure] < floors["sys"], "{pure} stands on a floor that waits");
    }
}

#[test]
fn no_file_names_what_it_may_not() {
    let floors = our_floors();
    let mut files = Vec::new();
    sources(&top().join("src"), &mut files);
    assert!(files.len() > 30);
    let mut found = Vec::new();
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        found.extend(complaints(&floors, file.strip_prefix(top()).unwrap(), &source));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn what_is_planted_is_found() {
    let floors = our_floors();
    let planted = [
        ("src/http/planted.rs", "use crate::net::stream::Stream;"),
        ("src/http/planted.rs", "use crate::{error::Error, framing, net as waiting};"),
        ("src/http/deep/planted.rs", "use super::super::super::sys::io;"),
        ("src/http/mod.rs", "use super::python;"),
        ("src/engine.rs", "fn f() { crate::packet::parse(); }"),
        ("src/framing/planted.rs", "use crate::packet;"),
        ("src/framing/planted.rs", "use crate::utilities;"),
        ("src/error.rs", "use crate::engine::Time;"),
        ("src/net/planted.rs", "use pyo3::prelude::*;"),
        ("src/net/planted.rs", "fn f() { unsafe { g() } }"),
        ("src/python/http/client.rs", "unsafe fn f() {}"),
        ("src/net/planted.rs", r#"fn f() { println!("hello"); }"#),
        ("src/probe/planted.rs", "use std::time::{Duration, Instant};"),
        ("src/probe/planted.rs", "fn f() { std::thread::sleep(d); }"),
        ("src/tcp/planted.rs", r#"fn f() { std::env::var("HOME"); }"#),
        ("src/table/planted.rs", r#"fn f() { std::fs::read("/proc/net/tcp"); }"#),
        ("src/draw/planted.rs", "use std::net::{IpAddr, TcpStream};"),
        ("src/packet/planted.rs", "fn f() { libc::close(3); }"),
        ("src/packet/planted.rs", "use socket2::Socket;"),
        ("src/http/planted.rs", "fn f() { log::info!(\"x\"); }"),
        ("src/unknown/planted.rs", "use crate::error;"),
    ];
    for (path, source) in planted {
        let found = complaints(&floors, Path::new(path), source);
        assert_eq!(found.len(), 1, "{path}: {source}: {found:?}");
    }
}

#[test]
fn what_is_allowed_is_left_alone() {
    let floors = our_floors();
    let allowed = [
        ("src/http/planted.rs", "use crate::{engine::Time, framing, http::body};  // crate::net, unsafe, println!()"),
        ("src/http/planted.rs", r##"const TEXT: &str = r#"crate::net unsafe std::env"#;"##),
        ("src/http/planted.rs", "#![expect(unsafe_code)]\nmod tests { use super::super::body; use super::*; }"),
        ("src/table/planted.rs", "use std::net::{IpAddr, SocketAddr};\nuse std::time::Duration;"),
        ("src/error.rs", "fn f() -> i32 { libc::ECONNREFUSED }"),
        ("src/sys/linux/planted.rs", "fn f() { unsafe { libc::close(3) }; }"),
        ("src/python/socket/planted.rs", "use pyo3::ffi;\nfn f() { unsafe { g() } }"),
        ("src/net/planted.rs", "use crate::{draw, sys};\nfn f() -> bool { println != 3 }"),
    ];
    for (path, source) in allowed {
        assert_eq!(complaints(&floors, Path::new(path), source), [""; 0], "{path}: {source}");
    }
}
