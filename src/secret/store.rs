//! AWS Secrets Manager, read once and remembered.

use super::Secret;
use crate::debug::debug_is_display;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// What can go wrong with a secret. It names the secret, never what it holds.
#[derive(thiserror::Error)]
pub enum SecretError {
    /// There is none of that name.
    #[error("there is no secret `{id}` in this account and region: correct the name, or write its ARN")]
    Missing {
        /// Name or ARN.
        id: String,
    },
    /// It may not be read.
    #[error(
        "the secret `{id}` may not be read: allow `secretsmanager:GetSecretValue` on it, and `kms:Decrypt` on its key"
    )]
    Denied {
        /// Name or ARN.
        id: String,
        /// What Secrets Manager said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// It holds bytes.
    #[error("the secret `{id}` holds bytes: store it as text")]
    Binary {
        /// Name or ARN.
        id: String,
    },
    /// Secrets Manager did not answer in time.
    #[error(
        "the secret `{id}` could not be read within {limit:?}: inside a VPC, Secrets Manager needs an interface endpoint or a NAT gateway"
    )]
    Late {
        /// Name or ARN.
        id: String,
        /// How long it had.
        limit: Duration,
    },
    /// Anything else: no network, no credentials, no region.
    #[error("the secret `{id}` could not be read: check region, credentials and network")]
    Unreachable {
        /// Name or ARN.
        id: String,
        /// What the SDK said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

debug_is_display!(SecretError);

type Configure = Box<dyn Fn() -> Pin<Box<dyn Future<Output = SdkConfig> + Send>> + Send + Sync>;

/// Reads secrets and remembers them for as long as the process lives.
pub struct SecretStore {
    client: OnceCell<Client>,
    configure: Option<Configure>,
    known: Mutex<HashMap<String, Secret>>,
}

impl fmt::Debug for SecretStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SecretStore").finish_non_exhaustive()
    }
}

impl SecretStore {
    /// A store over the account and region of `config`. Nothing is called before the first secret is asked for.
    pub fn new(config: &SdkConfig) -> Self {
        let client = OnceCell::new_with(Some(Client::new(config)));
        Self { client, configure: None, known: Mutex::default() }
    }

    /// A store whose account and region are looked up when the first secret is asked for: a machine without AWS, and
    /// without secrets, never waits for them.
    pub fn lazy<F>(configure: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = SdkConfig> + Send + 'static,
    {
        let configure: Configure = Box::new(move || Box::pin(configure()));
        Self { client: OnceCell::new(), configure: Some(configure), known: Mutex::default() }
    }

    /// The secret's text, from memory if it was read before, else within `limit`.
    pub async fn get(&self, id: &str, limit: Duration) -> Result<Secret, SecretError> {
        if let Some(secret) = self.known().get(id) {
            return Ok(secret.clone());
        }
        let call = Box::pin(async {
            let client = self.client().await;
            client.get_secret_value().secret_id(id).send().await
        });
        let answer = match tokio::time::timeout(limit, call).await {
            Err(_) => return Err(SecretError::Late { id: id.to_owned(), limit }),
            Ok(Err(error)) => return Err(refusal(id, error)),
            Ok(Ok(answer)) => answer,
        };
        let Some(text) = answer.secret_string else { return Err(SecretError::Binary { id: id.to_owned() }) };
        let secret = Secret::new(text);
        self.known().insert(id.to_owned(), secret.clone());
        Ok(secret)
    }

    /// Forgets a secret, so that the next `get` reads it again: after an authentication failure, once.
    pub fn forget(&self, id: &str) {
        self.known().remove(id);
    }

    async fn client(&self) -> &Client {
        let configured = || async {
            match &self.configure {
                Some(configure) => Client::new(&configure().await),
                None => Client::new(&SdkConfig::builder().build()),
            }
        };
        self.client.get_or_init(configured).await
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Secret>> {
        // A map of whole values is never left half changed by a panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal<E>(id: &str, error: E) -> SecretError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let id = id.to_owned();
    match error.code() {
        Some("ResourceNotFoundException") => SecretError::Missing { id },
        Some("AccessDeniedException" | "DecryptionFailure") => SecretError::Denied { id, source: Box::new(error) },
        _ => SecretError::Unreachable { id, source: Box::new(error) },
    }
}
