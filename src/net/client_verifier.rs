//! Which certificates of clients are taken: Go's five policies, and names that they must have.

use crate::error::{Error, Result};
use rustls::SignatureScheme;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore};
use std::net::IpAddr;
use std::sync::Arc;
use tokio_rustls::rustls;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// `client_auth_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientPolicy {
    None,
    Request,
    RequireAny,
    VerifyIfGiven,
    RequireAndVerify,
}

impl ClientPolicy {
    pub fn parse(name: &str) -> Result<ClientPolicy> {
        Ok(match name {
            "" | "NoClientCert" => ClientPolicy::None,
            "RequestClientCert" => ClientPolicy::Request,
            // The second is its name in Go, the first in old files.
            "RequireClientCert" | "RequireAnyClientCert" => ClientPolicy::RequireAny,
            "VerifyClientCertIfGiven" => ClientPolicy::VerifyIfGiven,
            "RequireAndVerifyClientCert" => ClientPolicy::RequireAndVerify,
            _ => return Err(Error::new(format!("invalid ClientAuth: {name}"))),
        })
    }

    fn verifies(self) -> bool {
        matches!(self, ClientPolicy::VerifyIfGiven | ClientPolicy::RequireAndVerify)
    }
}

/// Verifies the certificate of a client.
#[derive(Debug)]
pub struct ClientVerifier {
    policy: ClientPolicy,
    authorities: Vec<CertificateDer<'static>>,
    /// None without authorities, where nobody can be verified.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// One of these names must be in a certificate, where that is asked for.
    sans: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    pub fn new(
        policy: ClientPolicy,
        authorities: Vec<CertificateDer<'static>>,
        sans: Option<Vec<String>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<ClientVerifier> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().cloned());
        let verifier = (!roots.is_empty()).then(|| {
            let builder =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            builder.build().map_err(|error| Error::new(format!("client_ca: {error}")))
        });
        let verifier = verifier.transpose()?;
        let algorithms = provider.signature_verification_algorithms;
        Ok(ClientVerifier { policy, authorities, verifier, sans, algorithms })
    }

    /// By an authority, or one that is itself among them, as Go has it.
    fn verify_issuer(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> std::result::Result<(), rustls::Error> {
        if self.authorities.iter().any(|authority| authority.as_ref() == own.as_ref()) {
            return check_time(own, now);
        }
        let Some(verifier) = &self.verifier else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        verifier.verify_client_cert(own, chain, now).map(|_| ())
    }

    fn verify_name(&self, own: &CertificateDer<'_>) -> std::result::Result<(), rustls::Error> {
        match &self.sans {
            Some(sans) if !names(own)?.iter().any(|name| sans.contains(name)) => {
                Err(CertificateError::NotValidForName.into())
            }
            _ => Ok(()),
        }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        // A name that must be in a certificate needs one.
        self.sans.is_some()
            || matches!(self.policy, ClientPolicy::RequireAny | ClientPolicy::RequireAndVerify)
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.as_ref().map_or(&[], |verifier| verifier.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> std::result::Result<ClientCertVerified, rustls::Error> {
        if self.policy.verifies() {
            self.verify_issuer(own, chain, now)?;
        }
        self.verify_name(own)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, own, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, own, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn parsed(own: &CertificateDer<'_>) -> std::result::Result<Certificate, rustls::Error> {
    Certificate::from_der(own).map_err(|_| CertificateError::BadEncoding.into())
}

fn check_time(own: &CertificateDer<'_>, now: UnixTime) -> std::result::Result<(), rustls::Error> {
    let validity = *parsed(own)?.tbs_certificate().validity();
    let now = now.as_secs();
    if now < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// The alternative names of a certificate: DNS, IP, e-mail and URI, each as it is written.
fn names(own: &CertificateDer<'_>) -> std::result::Result<Vec<String>, rustls::Error> {
    let certificate = parsed(own)?;
    let found = certificate.tbs_certificate().get_extension::<SubjectAltName>();
    let names = found.ok().flatten().map(|(_, names)| names.0).unwrap_or_default();
    let written = names.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) | GeneralName::Rfc822Name(name) => Some(name.to_string()),
        GeneralName::UniformResourceIdentifier(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => match bytes.as_bytes() {
            bytes if bytes.len() == 4 => {
                <[u8; 4]>::try_from(bytes).ok().map(|own| IpAddr::from(own).to_string())
            }
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|own| IpAddr::from(own).to_string()),
        },
        _ => None,
    });
    Ok(written.collect())
}
