//! Whom to trust: the certificate authorities that a database's certificate may come from.

use super::{ConnectOptions, SqlError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::sync::OnceLock;

/// The authorities of Amazon RDS, Aurora and RDS Proxy; where they come from stands at the head of the file.
const RDS: &[u8] = include_bytes!("rds-bundle.pem");

/// The authorities to verify the server against, as PEM: the system's, those of RDS, and those in `ca`. The driver adds
/// the system's once more, and no others (see Cargo.toml). Nothing that rustls would choke on is among them, except in `ca`, where that is an error.
pub(super) async fn authorities(options: &ConnectOptions) -> Result<Vec<u8>, SqlError> {
    static SHARED: OnceLock<Vec<u8>> = OnceLock::new();
    let mut pem = if let Some(pem) = SHARED.get() {
        pem.clone()
    } else {
        let pem = tokio::task::spawn_blocking(shared).await.unwrap_or_default();
        SHARED.get_or_init(|| pem).clone()
    };
    if let Some(path) = &options.ca {
        let unusable = |problem: &str| SqlError::Tls {
            server: options.server(),
            message: format!(
                "`ca` names `{}`, which {problem}: write the path of a PEM file with certificates",
                path.display()
            ),
        };
        let path = path.clone();
        let bytes = tokio::task::spawn_blocking(move || std::fs::read(path))
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| unusable("cannot be read"))?;
        let (found, accepted) = acceptable(&bytes);
        if accepted.is_empty() || accepted.len() != found {
            return Err(unusable("holds no certificates, or some that cannot be used"));
        }
        append(&mut pem, &accepted);
    }
    Ok(pem)
}

fn shared() -> Vec<u8> {
    let mut store = RootCertStore::empty();
    let mut accepted = Vec::new();
    for certificate in rustls_native_certs::load_native_certs().certs {
        if store.add(certificate.clone()).is_ok() {
            accepted.push(certificate);
        }
    }
    accepted.extend(acceptable(RDS).1);
    let mut pem = Vec::new();
    append(&mut pem, &accepted);
    pem
}

/// How many certificates a PEM holds, and those of them that rustls takes.
fn acceptable(pem: &[u8]) -> (usize, Vec<CertificateDer<'static>>) {
    let mut store = RootCertStore::empty();
    let mut found = 0;
    let mut accepted = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        found += 1;
        if let Ok(certificate) = certificate
            && store.add(certificate.clone()).is_ok()
        {
            accepted.push(certificate);
        }
    }
    (found, accepted)
}

fn append(pem: &mut Vec<u8>, certificates: &[CertificateDer<'_>]) {
    for certificate in certificates {
        pem.extend_from_slice(b"-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(certificate).as_bytes().chunks(64) {
            pem.extend_from_slice(line);
            pem.push(b'\n');
        }
        pem.extend_from_slice(b"-----END CERTIFICATE-----\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_authority_of_rds_parses() {
        let (found, accepted) = acceptable(RDS);
        assert!(found > 80, "{found}");
        assert_eq!(accepted.len(), found);
        let mut again = Vec::new();
        append(&mut again, &accepted);
        assert_eq!(acceptable(&again), (found, accepted));
    }

    #[tokio::test]
    async fn an_unusable_authority_is_named() {
        let mut options = ConnectOptions::from_url("mysql://u@db.example.com/d").unwrap();
        options.ca = Some("missing.pem".into());
        let message = authorities(&options).await.unwrap_err().to_string();
        assert!(message.contains("`missing.pem`") && message.contains("PEM"), "{message}");
    }
}
