//! Migration files become checked types.
//!
//! [`parse`] turns a file's text into a [`Definition`] or into everything that is wrong with it; [`Migrations`] finds the
//! files in a folder or in S3; [`Databases`] turns a [`DatabaseRef`] into a place to connect to.

mod check;
mod definition;
mod digest;
mod fields;
mod file;
mod files;
pub mod filter;
mod json_path;
mod load;
mod objects;
mod problem;
mod reference;
mod resolve;
mod schema;
mod shape;
mod template;
mod transfer;
mod unbuilt;
mod units;

pub use definition::{
    After, Changed, ColumnValue, DatabaseRef, Defined, Definition, FilesDefinition, Kind, Limits, Mode,
    ObjectsDefinition, PasswordRef, Related, RelatedTarget, RowsDefinition, SecretRef, Source, Target, Throttle,
};
pub use files::{FileColumn, FilesSource, FilesTarget, HookRef, HttpSource, Rewrite, StampValue, TextRef};
pub use json_path::{JsonPath, PathStep};
pub use load::{LoadError, Migrations};
pub use objects::{
    Attribute, BucketRef, Copying, Existing, ObjectAcl, ObjectRef, ObjectsSource, ObjectsTarget, StorageClass,
};
pub use problem::{FileError, Problem};
pub use resolve::{Databases, ResolveError};
pub use schema::schema;
pub use template::{Part, Template};
pub use units::{bytes as size, duration, percentage};

use problem::Problems;

/// Understands the text of the file `{stem}.toml`, or says everything that is wrong with it: nothing here asks a database.
pub fn parse(stem: &str, text: &str) -> Result<Definition, FileError> {
    let mut problems = Problems::default();
    let failed = |problems| FileError { file: format!("{stem}.toml"), problems };
    let file = shape::read(text, &mut problems).map_err(|problem| failed(vec![problem]))?;
    let definition = check::definition(stem, file, &mut problems);
    let found = problems.into_found();
    match definition {
        Some(definition) if found.is_empty() => Ok(definition),
        _ => Err(failed(found)),
    }
}

/// Whether source and target are one database as far as the file says: the same reference. Different references may
/// still lead to the same place, which [`ConnectOptions::same_place`](crate::sql::ConnectOptions::same_place) tells.
pub fn same_database(definition: &RowsDefinition) -> bool {
    definition.source.database == definition.target.database
}
