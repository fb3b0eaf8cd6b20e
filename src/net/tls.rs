//! TLS as a web configuration asks for it: certificates, versions, suites and curves.
//!
//! Names are Go's, since the format is. rustls speaks TLS 1.2 and 1.3 with forward secrecy and
//! authenticated encryption alone; of a list, what it lacks is left out and told, and a list of
//! nothing else is refused.

use super::client_verifier::{ClientPolicy, ClientVerifier};
use crate::error::{Error, Result};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{NamedGroup, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls;

/// Suites of Go that are safe by its own word and that rustls lacks.
const SUITES_LACKING: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

/// Go's names of curves.
const CURVES: [(&str, Option<NamedGroup>); 7] = [
    ("CurveP256", Some(NamedGroup::secp256r1)),
    ("CurveP384", Some(NamedGroup::secp384r1)),
    ("CurveP521", None),
    ("X25519", Some(NamedGroup::X25519)),
    ("X25519MLKEM768", None),
    ("SecP256r1MLKEM768", None),
    ("SecP384r1MLKEM1024", None),
];

/// Go's names of versions, the oldest first.
const VERSIONS: [&str; 4] = ["TLS10", "TLS11", "TLS12", "TLS13"];

/// `tls_server_config`, as it is written.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct TlsFiles {
    cert: String,
    key: String,
    client_ca: String,
    cert_file: String,
    key_file: String,
    client_ca_file: String,
    client_auth_type: String,
    client_allowed_sans: Option<Vec<String>>,
    min_version: Option<String>,
    max_version: Option<String>,
    cipher_suites: Vec<String>,
    prefer_server_cipher_suites: Option<bool>,
    curve_preferences: Vec<String>,
}

/// What became of it.
pub struct BuiltTls {
    pub config: ServerConfig,
    pub files: Vec<PathBuf>,
    /// Clients need a certificate.
    pub verifies_clients: bool,
    /// Suites and curves that are not offered.
    pub left_out: Vec<String>,
}

impl TlsFiles {
    /// Whether nothing asks for TLS.
    pub fn are_empty(&self) -> bool {
        let of_certificate = [&self.cert, &self.cert_file, &self.key, &self.key_file];
        let of_clients = [&self.client_ca, &self.client_ca_file, &self.client_auth_type];
        of_certificate.into_iter().chain(of_clients).all(String::is_empty)
    }
}

/// Reads certificates and keys, with paths relative to `folder`.
pub fn server_config(written: TlsFiles, folder: &Path) -> Result<BuiltTls> {
    if written.cert.is_empty() && written.cert_file.is_empty() {
        return Err(Error::new("missing one of cert or cert_file".to_owned()));
    }
    if written.key.is_empty() && written.key_file.is_empty() {
        return Err(Error::new("missing one of key or key_file".to_owned()));
    }
    let mut files = PemFiles { folder, read: Vec::new() };
    let certificates = files.bytes("cert_file", &written.cert, &written.cert_file)?;
    let key = files.bytes("key_file", &written.key, &written.key_file)?;
    let certificates = parsed_certificates("cert", &certificates)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| Error::new(format!("key: no PEM of a private key: {error}")))?;
    let mut left_out = Vec::new();
    let provider = Arc::new(provider(&written, &mut left_out)?);
    let versions = versions(&written)?;
    let policy = ClientPolicy::parse(&written.client_auth_type)?;
    let has_authority = !written.client_ca.is_empty() || !written.client_ca_file.is_empty();
    let authorities = match has_authority {
        true => files.bytes("client_ca_file", &written.client_ca, &written.client_ca_file)?,
        false => Vec::new(),
    };
    if has_authority && policy == ClientPolicy::None {
        let text = "client CA's have been configured without a Client Auth Policy";
        return Err(Error::new(text.to_owned()));
    }
    let authorities = match has_authority {
        true => parsed_certificates("client_ca", &authorities)?,
        false => Vec::new(),
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| Error::new(format!("no suite goes with these versions: {error}")))?;
    let builder = match policy {
        ClientPolicy::None => builder.with_no_client_auth(),
        policy => {
            let sans = written.client_allowed_sans.clone();
            let verifier = ClientVerifier::new(policy, authorities, sans, &provider)?;
            builder.with_client_cert_verifier(Arc::new(verifier))
        }
    };
    let mut config = builder
        .with_single_cert(certificates, key)
        .map_err(|error| Error::new(format!("cert and key: {error}")))?;
    config.ignore_client_order = written.prefer_server_cipher_suites.unwrap_or(true);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let verifies_clients = policy != ClientPolicy::None;
    Ok(BuiltTls { config, files: files.read, verifies_clients, left_out })
}

/// What PEM was read from.
struct PemFiles<'a> {
    folder: &'a Path,
    read: Vec<PathBuf>,
}

impl PemFiles<'_> {
    fn bytes(&mut self, key: &str, inline: &str, file: &str) -> Result<Vec<u8>> {
        if !inline.is_empty() {
            return Ok(inline.as_bytes().to_vec());
        }
        let path = self.folder.join(file);
        let bytes = std::fs::read(&path)
            .map_err(|error| Error::io("read", &path, &error).context(format_args!("{key}")))?;
        self.read.push(path);
        Ok(bytes)
    }
}

fn parsed_certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates =
        CertificateDer::pem_slice_iter(pem).collect::<std::result::Result<Vec<_>, _>>();
    let certificates =
        certificates.map_err(|error| Error::new(format!("{key}: no PEM: {error}")))?;
    if certificates.is_empty() && key == "cert" {
        return Err(Error::new("cert: there is no certificate in it".to_owned()));
    }
    Ok(certificates)
}

/// Suites and curves in the order that is asked for.
fn provider(written: &TlsFiles, left_out: &mut Vec<String>) -> Result<CryptoProvider> {
    let mut provider = ring::default_provider();
    let names = &written.cipher_suites;
    if !names.is_empty() {
        let known = std::mem::take(&mut provider.cipher_suites);
        for name in names {
            match known.iter().find(|suite| go_name(suite) == *name) {
                Some(suite) => provider.cipher_suites.push(*suite),
                None if SUITES_LACKING.contains(&name.as_str()) => left_out.push(name.clone()),
                None => return Err(Error::new(format!("unknown cipher: {name}"))),
            }
        }
        // Go has no choice of suites in 1.3: all of them are offered.
        let of_13 = known.iter().filter(|suite| suite.version() == &version::TLS13);
        let missing: Vec<SupportedCipherSuite> =
            of_13.filter(|suite| !provider.cipher_suites.contains(suite)).copied().collect();
        if provider.cipher_suites.is_empty() {
            return Err(Error::new(format!("no cipher of these is spoken: {}", names.join(", "))));
        }
        provider.cipher_suites.extend(missing);
    }
    let names = &written.curve_preferences;
    if !names.is_empty() {
        let known = std::mem::take(&mut provider.kx_groups);
        for name in names {
            let Some((_, group)) = CURVES.iter().find(|(own, _)| own == name) else {
                return Err(Error::new(format!("unknown curve: {name}")));
            };
            match known.iter().find(|own| Some(own.name()) == *group) {
                Some(group) => provider.kx_groups.push(*group),
                None => left_out.push(name.clone()),
            }
        }
        if provider.kx_groups.is_empty() {
            return Err(Error::new(format!("no curve of these is spoken: {}", names.join(", "))));
        }
    }
    Ok(provider)
}

/// `TLS13_AES_128_GCM_SHA256` is `TLS_AES_128_GCM_SHA256` in Go.
fn go_name(suite: &SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    name.replacen("TLS13_", "TLS_", 1)
}

fn versions(written: &TlsFiles) -> Result<Vec<&'static SupportedProtocolVersion>> {
    let place = |name: &Option<String>, default: usize| match name.as_deref() {
        None | Some("") => Ok(default),
        Some(name) => VERSIONS
            .iter()
            .position(|own| *own == name)
            .ok_or_else(|| Error::new(format!("unknown TLS version: {name}"))),
    };
    let range = place(&written.min_version, 2)?..=place(&written.max_version, 3)?;
    let spoken = [(2, &version::TLS12), (3, &version::TLS13)];
    let versions: Vec<_> =
        spoken.into_iter().filter(|(at, _)| range.contains(at)).map(|(_, own)| own).collect();
    if versions.is_empty() {
        let text = "no TLS version is left: TLS12 and TLS13 are spoken";
        return Err(Error::new(text.to_owned()));
    }
    Ok(versions)
}
