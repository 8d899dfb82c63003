//! What a TLS client trusts and shows: rustls over ring (or, with the feature `aws-lc-rs`, over that), names by SAN only.
//!
//! There is no switch that turns verification off for a process; [`Verify::Nothing`] is one client's, and says so.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs::default_provider;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, KeyLog, RootCertStore, SignatureScheme};

use crate::error::{Cause, Error, Result};

/// Which servers are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Those that an authority of this platform has signed (`SSL_CERT_FILE` and `SSL_CERT_DIR` count).
    Platform,
    /// Those that an authority in this PEM text has signed.
    Pem(Vec<u8>),
    /// Those that one of these authorities (DER) has signed.
    Der(Vec<Vec<u8>>),
    /// Any. What is sent can be read by whoever is between.
    Nothing,
}

/// The client's own certificate chain and its key, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chain, own certificate first.
    pub chain: Vec<u8>,
    /// The private key, not encrypted.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// What a session may be, within what is safe: everything, unless less is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether the certificate must name the host.
    pub names: bool,
    /// Whether TLS 1.2 may be spoken (RFC 5246).
    pub tls12: bool,
    /// Whether TLS 1.3 may be spoken (RFC 8446).
    pub tls13: bool,
    /// The numbers of the cipher suites that may be used (IANA's registry); `None` is all that are safe.
    pub suites: Option<Vec<u16>>,
    /// Where the secrets of each session are written, for whom they shall be readable.
    pub key_log: Option<PathBuf>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { names: true, tls12: true, tls13: true, suites: None, key_log: None }
    }
}

/// Settings for TLS connections, to be shared between them.
pub fn config(verify: &Verify, identity: Option<&Identity>, policy: &Policy) -> Result<Arc<ClientConfig>> {
    let mut provider = default_provider();
    if let Some(suites) = &policy.suites {
        provider.cipher_suites.retain(|suite| suites.contains(&u16::from(suite.suite())));
    }
    let provider = Arc::new(provider);
    let allowed = [(policy.tls13, &rustls::version::TLS13), (policy.tls12, &rustls::version::TLS12)];
    let versions: Vec<_> = allowed.into_iter().filter(|(allowed, _)| *allowed).map(|(_, version)| version).collect();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| Error::invalid("verify", format!("no version of TLS and cipher suite is left: {error}")))?;
    let unnamed = |roots| Arc::new(Unnamed { provider, roots });
    let builder = match verify {
        Verify::Nothing => builder.dangerous().with_custom_certificate_verifier(unnamed(None)),
        verify if policy.names => builder.with_root_certificates(roots(verify)?),
        verify => builder.dangerous().with_custom_certificate_verifier(unnamed(Some(roots(verify)?))),
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(&identity.chain)
                .collect::<std::result::Result<Vec<_>, _>>()
                .map_err(|error| Error::invalid("cert", format!("the certificate is not PEM: {error}")))?;
            let key = PrivateKeyDer::from_pem_slice(&identity.key)
                .map_err(|error| Error::invalid("cert", format!("no usable private key in PEM: {error}")))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| Error::invalid("cert", error.to_string()))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if let Some(path) = &policy.key_log {
        config.key_log = Arc::new(KeyFile::open(path)?);
    }
    Ok(Arc::new(config))
}

/// A session with the server `host`, a name or an address.
pub fn session(config: &Arc<ClientConfig>, host: &str) -> Result<ClientConnection> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Error::invalid("host", format!("{host:?} cannot be a TLS server's name: {error}")))?;
    ClientConnection::new(Arc::clone(config), name).map_err(refused)
}

fn roots(verify: &Verify) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    match verify {
        Verify::Platform => {
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = store.add_parsable_certificates(found.certs);
            if added == 0 {
                let text = "this machine has no certificate authorities (on Debian: install ca-certificates); \
                            or name a file of them with verify=";
                return Err(Error::new("TLS", Cause::Tls(text.to_owned())));
            }
        }
        Verify::Pem(text) => {
            for certificate in CertificateDer::pem_slice_iter(text) {
                let certificate = certificate.map_err(|error| Error::invalid("verify", format!("not PEM: {error}")))?;
                store.add(certificate).map_err(|error| Error::invalid("verify", error.to_string()))?;
            }
            if store.is_empty() {
                return Err(Error::invalid("verify", "the file holds no PEM certificate"));
            }
        }
        Verify::Der(certificates) => {
            for certificate in certificates {
                let certificate = CertificateDer::from(certificate.clone());
                store.add(certificate).map_err(|error| Error::invalid("verify", error.to_string()))?;
            }
            if store.is_empty() {
                return Err(Error::invalid("verify", "the context has no certificate authorities loaded"));
            }
        }
        Verify::Nothing => {}
    }
    Ok(store)
}

fn refused(error: rustls::Error) -> Error {
    Error::new("TLS", Cause::Tls(error.to_string()))
}

/// Secrets of sessions in a file, as Wireshark and others read them (draft-ietf-tls-keylogfile).
#[derive(Debug)]
struct KeyFile(Mutex<File>);

impl KeyFile {
    fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        Ok(Self(Mutex::new(file.map_err(|error| Error::os("open", &error).at(path.display()))?)))
    }
}

impl KeyLog for KeyFile {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A record for people: a full disk does not end the session.
        let _ = file.write_all(line.as_bytes());
    }
}

/// Believes certificates whatever name they bear: any, or those that lead to `roots`. The handshake's signatures are
/// checked all the same.
#[derive(Debug)]
struct Unnamed {
    provider: Arc<CryptoProvider>,
    roots: Option<RootCertStore>,
}

impl ServerCertVerifier for Unnamed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let known = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, known)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
