//! What a TLS client trusts and shows: rustls over ring, names by SAN only.
//!
//! There is no switch that turns verification off for a process; [`Verify::Nothing`] is one client's, and says so.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

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

/// Settings for TLS connections, to be shared between them.
pub fn config(verify: &Verify, identity: Option<&Identity>) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let builder = match verify {
        Verify::Nothing => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider))),
        verify => builder.with_root_certificates(roots(verify)?),
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

/// Believes every certificate; the handshake's signatures are checked all the same.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
