//! From a reference to a place to connect to: the environment and Secrets Manager are asked here, and nowhere else.

use super::definition::{DatabaseRef, PasswordRef, SecretRef};
use super::files::TextRef;
use crate::debug::debug_is_display;
use crate::secret::{Secret, SecretError, SecretStore};
use crate::sql::{ConnectOptions, Dialect, UrlError};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// Why a reference leads nowhere. Each message says what to do, and none holds a secret.
#[derive(thiserror::Error)]
pub enum ResolveError {
    /// The environment lacks the variable.
    #[error("the environment has no variable `{name}`: set it to {wanted}")]
    Variable {
        /// The variable, without `$`.
        name: String,
        /// What it has to hold.
        wanted: &'static str,
    },
    /// The environment has the variable, with nothing in it.
    #[error("the environment's variable `{name}` is set, but empty: set it to {wanted}")]
    Empty {
        /// The variable, without `$`.
        name: String,
        /// What it has to hold.
        wanted: &'static str,
    },
    /// What was found is no URL that can be used.
    #[error("{place} {error}")]
    Url {
        /// Where it was found: a variable, a secret, the file.
        place: String,
        /// What is wrong with it.
        error: UrlError,
    },
    /// Secrets Manager did not give it.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The secret does not hold what is needed.
    #[error("the secret `{id}` {message}")]
    Content {
        /// Name or ARN.
        id: String,
        /// What is wrong with it, and what to do.
        message: String,
    },
}

debug_is_display!(ResolveError);

type Variables = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Resolves references, and remembers the secrets that it read for them.
pub struct Databases {
    secrets: SecretStore,
    variables: Variables,
}

impl fmt::Debug for Databases {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Databases").finish_non_exhaustive()
    }
}

impl Databases {
    /// Over the environment of this process and these secrets.
    pub fn new(secrets: SecretStore) -> Self {
        Self { secrets, variables: Box::new(|name| std::env::var(name).ok()) }
    }

    /// The same over other variables than those of the process.
    #[must_use]
    pub fn with_variables(mut self, variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.variables = Box::new(variables);
        self
    }

    /// Where the reference leads. Secrets are read within `limit` each, the first time that they are needed.
    pub async fn resolve(&self, reference: &DatabaseRef, limit: Duration) -> Result<ConnectOptions, ResolveError> {
        match reference {
            DatabaseRef::Env(name) => {
                let url = self.variable(name, "a database URL, as in `mysql://USER:PASSWORD@HOST/DATABASE`")?;
                of_url(&url, || format!("`${name}`"))
            }
            DatabaseRef::Secret(secret) => {
                let text = self.secrets.get(&secret.id, limit).await?;
                of_secret(secret, text.expose())
            }
            DatabaseRef::Url { url, password, ca } => {
                let mut database = of_url(url, || "the URL in the migration file".to_owned())?;
                // A file needs neither.
                if database.dialect != Dialect::Sqlite {
                    if let Some(password) = password {
                        database.password = Some(self.password(password, limit).await?);
                    }
                    database.ca.clone_from(ca);
                }
                Ok(database)
            }
        }
    }

    /// The value of a header. A secret is read within `limit`, the first time that it is needed.
    pub async fn text(&self, reference: &TextRef, limit: Duration) -> Result<Secret, ResolveError> {
        match reference {
            TextRef::Literal(text) => Ok(Secret::new(text.clone())),
            TextRef::Env(name) => self.variable(name, "a value").map(Secret::new),
            TextRef::Secret(secret) => {
                let text = self.secrets.get(&secret.id, limit).await?;
                match (&secret.field, object(text.expose())) {
                    (None, _) => Ok(text),
                    (Some(field), Some(fields)) => string(secret, &fields, field).map(Secret::new),
                    (Some(field), None) => Err(no_object(secret, field)),
                }
            }
        }
    }

    /// Forgets the secrets behind a reference, so that the next `resolve` reads them again. After an authentication
    /// failure, once: a password may have been rotated. `true`: there are secrets behind it, so it is worth a second try.
    pub fn forget(&self, reference: &DatabaseRef) -> bool {
        let (DatabaseRef::Secret(secret) | DatabaseRef::Url { password: Some(PasswordRef::Secret(secret)), .. }) =
            reference
        else {
            return false;
        };
        self.secrets.forget(&secret.id);
        true
    }

    fn variable(&self, name: &str, wanted: &'static str) -> Result<String, ResolveError> {
        match (self.variables)(name) {
            None => Err(ResolveError::Variable { name: name.to_owned(), wanted }),
            Some(value) if value.is_empty() => Err(ResolveError::Empty { name: name.to_owned(), wanted }),
            Some(value) => Ok(value),
        }
    }

    async fn password(&self, reference: &PasswordRef, limit: Duration) -> Result<Secret, ResolveError> {
        match reference {
            PasswordRef::Env(name) => self.variable(name, "the database's password").map(Secret::new),
            PasswordRef::Secret(secret) => {
                let text = self.secrets.get(&secret.id, limit).await?;
                let field = secret.field.as_deref();
                match (object(text.expose()), field) {
                    (None, None) => Ok(text),
                    // RDS's own JSON is as good as a plain password.
                    (Some(fields), _) => string(secret, &fields, field.unwrap_or("password")).map(Secret::new),
                    (None, Some(field)) => Err(no_object(secret, field)),
                }
            }
        }
    }
}

fn of_url(url: &str, place: impl Fn() -> String) -> Result<ConnectOptions, ResolveError> {
    ConnectOptions::from_url(url.trim()).map_err(|error| ResolveError::Url { place: place(), error })
}

fn of_secret(secret: &SecretRef, text: &str) -> Result<ConnectOptions, ResolveError> {
    let place = || format!("the secret `{}`", secret.id);
    match (object(text), &secret.field) {
        (None, None) => of_url(text, place),
        (None, Some(field)) => Err(no_object(secret, field)),
        (Some(fields), Some(field)) => {
            of_url(&string(secret, &fields, field)?, || format!("the field `{field}` of the secret `{}`", secret.id))
        }
        (Some(fields), None) => of_rds(secret, &fields),
    }
}

/// What RDS keeps: `engine`, `host`, `port`, `username`, `password`, `dbname`.
fn of_rds(secret: &SecretRef, fields: &Map<String, Value>) -> Result<ConnectOptions, ResolveError> {
    let content = |message: &str| ResolveError::Content { id: secret.id.clone(), message: message.to_owned() };
    let dialect = match string(secret, fields, "engine")?.as_str() {
        "mysql" | "mariadb" | "aurora" | "aurora-mysql" => Dialect::MySql,
        "postgres" | "postgresql" | "aurora-postgresql" => Dialect::Postgres,
        _ => return Err(content("has an `engine` that is neither mysql, mariadb nor postgres")),
    };
    let empty = ConnectOptions::empty(dialect);
    let port = match fields.get("port") {
        None | Some(Value::Null) => Some(empty.port),
        Some(Value::String(text)) => text.parse().ok(),
        Some(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
    };
    Ok(ConnectOptions {
        host: string(secret, fields, "host")?,
        port: port.ok_or_else(|| content("has a `port` that is no port number"))?,
        user: string(secret, fields, "username")?,
        password: Some(Secret::new(string(secret, fields, "password")?)),
        database: string(secret, fields, "dbname")?,
        ..empty
    })
}

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

fn string(secret: &SecretRef, fields: &Map<String, Value>, name: &str) -> Result<String, ResolveError> {
    let found = fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    found.map(str::to_owned).ok_or_else(|| {
        let hint = match name {
            "engine" | "host" | "dbname" | "username" => {
                "add it, or write the long form: `{ url = \"mysql://USER@HOST/DATABASE\", password = \"secret:ARN#password\" }`"
            }
            _ => "correct the field's name, or add it to the secret as a string",
        };
        ResolveError::Content { id: secret.id.clone(), message: format!("has no field `{name}`: {hint}") }
    })
}

fn no_object(secret: &SecretRef, field: &str) -> ResolveError {
    let message = format!("is no JSON object, so it has no field `{field}`: leave `#{field}` out");
    ResolveError::Content { id: secret.id.clone(), message }
}
