//! Who asks: Basic (RFC 7617), Bearer (RFC 6750), Digest (RFC 7616).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512, Sha512_256};

use super::head::Headers;
use crate::error::{Error, Result};

/// How many proofs a request is given, however stale a server finds each of them.
const MOST_PROOFS: u32 = 3;

/// Credentials for one origin.
#[derive(Debug)]
pub enum Auth {
    /// `Basic`, sent at once.
    Basic {
        /// The user.
        user: Vec<u8>,
        /// The password.
        password: Vec<u8>,
    },
    /// `Bearer`, sent at once.
    Bearer(String),
    /// `Digest`, after a challenge.
    Digest(Digest),
    /// `Basic`, sent at once, and `Digest` from the first challenge to it on.
    Either(Digest),
    /// `Basic` with the user and password of a host by its exact name, as a netrc file has them.
    ByHost(HashMap<String, (Vec<u8>, Vec<u8>)>),
}

/// A user that is to be proved must be sayable: `Basic` has no room for control characters, nor for a colon in a user's
/// name (RFC 7617 section 2), a quoted string (RFC 7616) none for control characters.
pub fn check_user(user: &[u8], password: Option<&[u8]>) -> Result<()> {
    let controls = |text: &[u8]| text.iter().any(u8::is_ascii_control);
    if controls(user) || password.is_some_and(controls) {
        return Err(Error::invalid("user", "user and password cannot hold control characters"));
    }
    if password.is_some() && user.contains(&b':') {
        return Err(Error::invalid(
            "user",
            "the name of a Basic user cannot hold a colon: the password would begin there",
        ));
    }
    Ok(())
}

/// What a proof is about.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The host that asks for it.
    pub host: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// Its target, as its first line has it.
    pub uri: &'a str,
    /// Its content, where that is known before it is sent.
    pub body: Option<&'a [u8]>,
    /// A number of ours that nobody can foretell.
    pub cnonce: u64,
}

/// Who asks for a proof (RFC 9110 sections 11.6 and 11.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The server that the request is for.
    Origin,
    /// The proxy on the way to it.
    Proxy,
}

impl Asker {
    /// The field that holds its challenges.
    pub fn challenges(self) -> &'static str {
        match self {
            Self::Origin => "www-authenticate",
            Self::Proxy => "proxy-authenticate",
        }
    }

    /// The schemes that these fields ask for, in lower case.
    pub fn schemes(self, headers: &Headers) -> Vec<String> {
        headers.all(self.challenges()).flat_map(challenges).map(|(scheme, _)| scheme).collect()
    }
}

impl Auth {
    /// What can be sent with a request, before any challenge to it.
    pub fn opening(&self, asked: &Asked<'_>) -> Option<String> {
        match self {
            Self::Basic { user, password } => Some(basic(user, password)),
            Self::Bearer(token) => Some(format!("Bearer {token}")),
            Self::Digest(digest) => digest.answer(asked),
            Self::Either(digest) => digest.answer(asked).or_else(|| Some(basic(&digest.user, &digest.password))),
            Self::ByHost(known) => known.get(asked.host).map(|(user, password)| basic(user, password)),
        }
    }

    /// Whether the first request can only get a challenge, so that a body sent with it would be sent twice.
    pub fn awaits_challenge(&self) -> bool {
        match self {
            Self::Digest(digest) => digest.state.lock().unwrap_or_else(PoisonError::into_inner).is_none(),
            _ => false,
        }
    }

    /// Whether it knows by itself which host gets what, and so may follow a redirection to another origin.
    pub fn travels(&self) -> bool {
        matches!(self, Self::ByHost(_))
    }

    /// What to send after the 401 or 407 with these fields, `proofs` of this kind having been given to the same request:
    /// `None` if that would be of no use.
    pub fn retort(&self, asker: Asker, headers: &Headers, proofs: u32, asked: &Asked<'_>) -> Option<String> {
        match self {
            Self::Basic { .. } | Self::Bearer(_) | Self::ByHost(_) => None,
            Self::Digest(digest) | Self::Either(digest) => {
                if proofs >= MOST_PROOFS || !digest.hear(asker, headers, proofs > 0) {
                    return None;
                }
                digest.answer(asked)
            }
        }
    }
}

/// The value of an Authorization field for Basic.
pub fn basic(user: &[u8], password: &[u8]) -> String {
    let mut pair = user.to_vec();
    pair.push(b':');
    pair.extend_from_slice(password);
    format!("Basic {}", STANDARD.encode(pair))
}

/// Digest credentials and the last challenge.
#[derive(Debug)]
pub struct Digest {
    user: Vec<u8>,
    password: Vec<u8>,
    state: Mutex<Option<(Challenge, u32)>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Challenge {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    algorithm: Algorithm,
    spelled: Option<String>,
    session: bool,
    quality: Quality,
    hash_user: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    /// In no registry, but what some servers offer.
    Sha512,
    Sha512To256,
    Sha256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quality {
    None,
    Auth,
    AuthInt,
}

impl Digest {
    /// Credentials that no server has challenged yet.
    pub fn new(user: &[u8], password: &[u8]) -> Self {
        Self { user: user.to_vec(), password: password.to_vec(), state: Mutex::new(None) }
    }

    /// Takes the best challenge of a 401 or 407; false if there is none, or the credentials were refused: when this is the answer
    /// to a proof, a fresh nonce is no new chance unless it says `stale`.
    fn hear(&self, asker: Asker, headers: &Headers, proved: bool) -> bool {
        let offered = headers.all(asker.challenges()).flat_map(challenges).filter(|(scheme, _)| scheme == "digest");
        let best = offered
            .filter_map(|(_, parameters)| {
                let stale = parameter(&parameters, "stale").is_some_and(|value| value.eq_ignore_ascii_case(b"true"));
                Some((Challenge::read(&parameters)?, stale))
            })
            .max_by_key(|(challenge, _)| challenge.algorithm);
        let Some((challenge, stale)) = best else { return false };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(had, used): &(Challenge, u32)| had.nonce == challenge.nonce && *used > 0;
        let refused = !stale && (proved || state.as_ref().is_some_and(same));
        *state = if refused { None } else { Some((challenge, 0)) };
        !refused
    }

    fn answer(&self, asked: &Asked<'_>) -> Option<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (challenge, used) = state.as_mut()?;
        *used += 1;
        let (challenge, count) = (challenge.clone(), *used);
        drop(state);
        let cnonce = format!("{:016x}", asked.cnonce);
        let body = match challenge.quality {
            Quality::AuthInt => asked.body?,
            Quality::None | Quality::Auth => &[],
        };
        Some(challenge.answer(&self.user, &self.password, asked.method, asked.uri, body, &cnonce, count))
    }
}

impl Challenge {
    fn read(parameters: &[(String, Vec<u8>)]) -> Option<Self> {
        let spelled = parameter(parameters, "algorithm").map(|value| String::from_utf8_lossy(value).into_owned());
        let name = spelled.as_deref().unwrap_or("MD5").to_ascii_lowercase();
        let (base, session) = name.strip_suffix("-sess").map_or((&*name, false), |base| (base, true));
        let algorithm = match base {
            "md5" => Algorithm::Md5,
            "sha-256" => Algorithm::Sha256,
            "sha-512-256" => Algorithm::Sha512To256,
            "sha-512" => Algorithm::Sha512,
            _ => return None,
        };
        let quality = match parameter(parameters, "qop") {
            None => Quality::None,
            Some(offered) => {
                let offered = String::from_utf8_lossy(offered).to_ascii_lowercase();
                let offers = |word: &str| offered.split(',').any(|one| one.trim() == word);
                if offers("auth") {
                    Quality::Auth
                } else if offers("auth-int") {
                    Quality::AuthInt
                } else {
                    return None;
                }
            }
        };
        Some(Self {
            realm: parameter(parameters, "realm").unwrap_or_default().to_vec(),
            nonce: parameter(parameters, "nonce")?.to_vec(),
            opaque: parameter(parameters, "opaque").map(<[u8]>::to_vec),
            algorithm,
            spelled,
            session,
            quality,
            hash_user: parameter(parameters, "userhash").is_some_and(|value| value.eq_ignore_ascii_case(b"true")),
        })
    }

    fn hash(&self, parts: &[&[u8]]) -> String {
        let joined = parts.join(&b':');
        let digest: Vec<u8> = match self.algorithm {
            Algorithm::Md5 => Md5::digest(&joined).to_vec(),
            Algorithm::Sha256 => Sha256::digest(&joined).to_vec(),
            Algorithm::Sha512To256 => Sha512_256::digest(&joined).to_vec(),
            Algorithm::Sha512 => Sha512::digest(&joined).to_vec(),
        };
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the inputs of RFC 7616 section 3.4.1")]
    fn answer(
        &self,
        user: &[u8],
        password: &[u8],
        method: &str,
        uri: &str,
        body: &[u8],
        cnonce: &str,
        count: u32,
    ) -> String {
        let count = format!("{count:08x}");
        let mut first = self.hash(&[user, &self.realm, password]);
        if self.session {
            first = self.hash(&[first.as_bytes(), &self.nonce, cnonce.as_bytes()]);
        }
        let second = match self.quality {
            Quality::AuthInt => self.hash(&[method.as_bytes(), uri.as_bytes(), self.hash(&[body]).as_bytes()]),
            Quality::None | Quality::Auth => self.hash(&[method.as_bytes(), uri.as_bytes()]),
        };
        let quality = match self.quality {
            Quality::None => None,
            Quality::Auth => Some("auth"),
            Quality::AuthInt => Some("auth-int"),
        };
        let response = match quality {
            None => self.hash(&[first.as_bytes(), &self.nonce, second.as_bytes()]),
            Some(quality) => self.hash(&[
                first.as_bytes(),
                &self.nonce,
                count.as_bytes(),
                cnonce.as_bytes(),
                quality.as_bytes(),
                second.as_bytes(),
            ]),
        };
        let name = if self.hash_user { self.hash(&[user, &self.realm]).into_bytes() } else { user.to_vec() };
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{response}\"",
            quoted(&name),
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(uri.as_bytes()),
        );
        let mut more = |text: String| {
            value.push_str(", ");
            value.push_str(&text);
        };
        if let Some(opaque) = &self.opaque {
            more(format!("opaque=\"{}\"", quoted(opaque)));
        }
        if let Some(spelled) = &self.spelled {
            more(format!("algorithm={spelled}"));
        }
        if let Some(quality) = quality {
            more(format!("qop={quality}"));
            more(format!("nc={count}"));
        }
        if quality.is_some() || self.session {
            more(format!("cnonce=\"{cnonce}\""));
        }
        if self.hash_user {
            more("userhash=true".to_owned());
        }
        value
    }
}

/// The inside of a quoted-string. Bytes beyond ASCII stay what they are, one character each, until they are sent.
fn quoted(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let text = String::from_utf8_lossy(bytes);
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        if !character.is_control() || character == '\t' {
            out.push(character);
        }
    }
    out
}

fn parameter<'a>(parameters: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    parameters.iter().find(|(have, _)| have == name).map(|(_, value)| &**value)
}

type Parameters = Vec<(String, Vec<u8>)>;

/// The challenges of one WWW-Authenticate or Proxy-Authenticate line: scheme in lower case, parameters with names in lower case
/// (RFC 9110 section 11.6.1). What does not fit the grammar ends the reading.
pub fn challenges(line: &[u8]) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        while let Some(tail) = rest.strip_prefix(b",") {
            rest = tail.trim_ascii_start();
        }
        let length = rest.iter().take_while(|byte| super::head::token(&[**byte])).count();
        if length == 0 {
            return found;
        }
        let word = String::from_utf8_lossy(&rest[..length]).to_ascii_lowercase();
        let behind = rest[length..].trim_ascii_start();
        if let (Some(value), Some((_, parameters))) = (behind.strip_prefix(b"="), found.last_mut()) {
            let value = value.trim_ascii_start();
            let (value, tail) = match value.strip_prefix(b"\"") {
                Some(inside) => match unquoted(inside) {
                    Some(pair) => pair,
                    None => return found,
                },
                None => {
                    let end = value.iter().position(|byte| *byte == b',').unwrap_or(value.len());
                    (value[..end].trim_ascii().to_vec(), &value[end..])
                }
            };
            parameters.push((word, value));
            rest = tail;
        } else {
            found.push((word, Vec::new()));
            rest = behind;
        }
    }
}

/// A quoted-string's content and what follows it.
fn unquoted(inside: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut content = Vec::new();
    let mut at = 0;
    loop {
        match inside.get(at)? {
            b'"' => return Some((content, &inside[at + 1..])),
            b'\\' => {
                content.push(*inside.get(at + 1)?);
                at += 2;
            }
            byte => {
                content.push(*byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'static> = Asked { host: "h", method: "GET", uri: "/", body: Some(b""), cnonce: 1 };

    /// The examples of RFC 7616 section 3.9.1.
    #[test]
    fn the_rfcs_examples() {
        let line = |algorithm: &str| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let read = challenges(line(algorithm).as_bytes());
            assert_eq!(read.len(), 1);
            let challenge = Challenge::read(&read[0].1).expect("a challenge we know");
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let answer = challenge.answer(b"Mufasa", b"Circle of Life", "GET", "/dir/index.html", b"", cnonce, 1);
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
        }
    }

    #[test]
    fn several_challenges_on_a_line() {
        let read = challenges(b"Basic realm=\"a, b\", Digest nonce=x, realm=\"q\\\"q\",NTLM");
        let names: Vec<&str> = read.iter().map(|(scheme, _)| &**scheme).collect();
        assert_eq!(names, ["basic", "digest", "ntlm"]);
        assert_eq!(read[0].1, [("realm".to_owned(), b"a, b".to_vec())]);
        assert_eq!(read[1].1[1], ("realm".to_owned(), b"q\"q".to_vec()));
    }

    #[test]
    fn the_same_nonce_again_is_a_refusal() {
        let digest = Digest::new(b"u", b"p");
        let mut headers = Headers::new();
        headers.push(b"WWW-Authenticate", b"Digest realm=r, nonce=n, qop=auth");
        let auth = Auth::Digest(digest);
        assert!(auth.opening(&ASKED).is_none());
        assert!(auth.retort(Asker::Origin, &headers, 0, &ASKED).is_some_and(|value| value.contains("nc=00000001")));
        assert!(auth.opening(&ASKED).is_some_and(|value| value.contains("nc=00000002")));
        assert!(auth.retort(Asker::Origin, &headers, 0, &ASKED).is_none());
    }

    #[test]
    fn a_fresh_nonce_after_a_proof_is_a_new_chance_only_if_the_old_one_was_stale() {
        let auth = Auth::Digest(Digest::new(b"u", b"p"));
        let ask = |challenge: &str, proofs| {
            let mut headers = Headers::new();
            headers.push(b"WWW-Authenticate", challenge.as_bytes());
            auth.retort(Asker::Origin, &headers, proofs, &ASKED)
        };
        assert!(ask("Digest realm=r, nonce=a", 0).is_some());
        assert!(ask("Digest realm=r, nonce=b", 1).is_none());
        assert!(ask("Digest realm=r, nonce=c, stale=true", 1).is_some());
        assert!(ask("Digest realm=r, nonce=d, stale=true", MOST_PROOFS).is_none());
    }
}
