//! Debug for errors: their Display, so that no `{:?}` shows more than a message was meant to.

/// Implements Debug by Display for each of these error types.
macro_rules! debug_is_display {
    ($($error:ty),+ $(,)?) => {$(
        impl std::fmt::Debug for $error {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, formatter)
            }
        }
    )+};
}
pub(crate) use debug_is_display;

#[cfg(test)]
mod tests {
    use crate::command::CommandError;
    use crate::engine::run::EngineError;
    use crate::fault::{Class, Fault};
    use crate::ledger::LedgerError;
    use crate::rows::RowsError;
    use crate::s3::S3Error;
    use crate::secret::SecretError;
    use crate::spec::{FileError, LoadError, Problem, ResolveError};
    use crate::sql::SqlError;
    use std::error::Error;

    #[test]
    fn debug_shows_what_display_shows_and_nothing_else() {
        let source = || Box::<dyn Error + Send + Sync>::from("what the SDK said");
        let fault = || Fault { source: Some(source()), ..Fault::new(Class::Poison, "a message") };
        let (id, limit) = ("shop".to_owned(), std::time::Duration::from_secs(1));
        let unreachable =
            S3Error::Unreachable { place: "s3://shop".to_owned(), action: "s3:GetObject", source: source() };
        let problem = Problem { field: "kind".into(), message: "is missing".into(), hint: String::new() };
        let errors: [Box<dyn Error>; 12] = [
            Box::new(fault()),
            Box::new(EngineError::Fault(fault())),
            Box::new(LedgerError::Setting("no ledger".to_owned())),
            Box::new(RowsError::Overtaken),
            Box::new(RowsError::Sql(SqlError::Abandoned)),
            Box::new(SecretError::Late { id: id.clone(), limit }),
            Box::new(ResolveError::Secret(SecretError::Missing { id })),
            Box::new(LoadError::Bucket { place: "s3://shop/".to_owned(), source: unreachable }),
            Box::new(LoadError::Setting { setting: "http://x".to_owned() }),
            Box::new(FileError { file: "m.toml".to_owned(), problems: vec![problem] }),
            Box::new(crate::sql::ConnectOptions::from_url("mysql//").unwrap_err()),
            Box::new(CommandError::Internal("a bug".to_owned())),
        ];
        for error in errors {
            assert_eq!(format!("{error:?}"), error.to_string());
            assert_eq!(format!("{error:#?}"), error.to_string());
        }
    }
}
