//! Whom a server's certificate may come from: the system's authorities, loaded once.

use super::HttpError;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;

/// The client's side of TLS. Reads files: not for a thread that others wait for.
pub(super) fn config() -> Result<ClientConfig, HttpError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let missing = io::Error::new(io::ErrorKind::NotFound, "the system has no certificates of authorities");
        return Err(HttpError::Tls(Box::new(missing)));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpError::Tls(Box::new(error)))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
