//! Migration files become checked types.

mod definition;

pub use definition::{
    After, ColumnValue, DatabaseRef, Definition, Kind, Limits, Mode, PasswordRef, Related, SecretRef, Source, Target,
};
