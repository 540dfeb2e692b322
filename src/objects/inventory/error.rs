//! What can be wrong with an inventory.

use crate::debug::debug_is_display;
use crate::fault::{Class, Fault, Origin};
use crate::s3::S3Error;
use std::fmt;

/// Which object of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Its manifest.
    Manifest,
    /// The data file that is named at this place of the manifest.
    File(usize),
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest => formatter.write_str("the manifest that `source.inventory` names"),
            Self::File(number) => write!(formatter, "`files[{number}]` of the inventory's manifest"),
        }
    }
}

/// What can be wrong with an inventory. It names buckets and places, never a key of the source.
#[derive(thiserror::Error)]
pub(super) enum InventoryError {
    /// The file names none, and the first pass goes by one.
    #[error(
        "the first pass goes by an inventory, which the file no longer names: put `source.inventory` back, or `reset`"
    )]
    Nowhere,
    /// It is not there.
    #[error("{0} is not there: correct it, or keep an inventory until the first pass is over; otherwise `reset`")]
    Missing(What),
    /// It is not what it was when the pass began.
    #[error(
        "{0} is not what it was when the first pass began: put the old one back, or `reset` to begin with the new one"
    )]
    Changed(What),
    /// It is none.
    #[error("what `source.inventory` names is no manifest of an S3 Inventory: {0}")]
    NoManifest(String),
    /// It is not in CSV.
    #[error(
        "the inventory is in the format {0}: configure it to be in CSV, the only one that can be read here, or leave `source.inventory` out"
    )]
    Format(String),
    /// It lacks a column.
    #[error("the inventory has no column `{0}`: add it to its configuration, or leave `source.inventory` out")]
    Lacks(&'static str),
    /// It is another bucket's.
    #[error("the inventory is one of the bucket `{theirs}`, and the source is `{ours}`: name an inventory of that one")]
    OtherBucket {
        /// Of which bucket it is.
        theirs: String,
        /// Which one is copied.
        ours: String,
    },
    /// It is not what its manifest says.
    #[error(
        "{0} is damaged, by its MD5, its length or its packing: have S3 write an inventory anew, name that one, and `reset`"
    )]
    Damaged(What),
    /// A record cannot be read.
    #[error("record {record} of {file} cannot be read: {why}")]
    Record {
        /// The data file.
        file: What,
        /// The record's number, from 1.
        record: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The time was up before anything new was reached.
    #[error(
        "{0} could not be read up to where the last run had come within what is left of this one: give the function more time or memory"
    )]
    Late(What),
    /// S3.
    #[error(transparent)]
    S3(S3Error),
}

debug_is_display!(InventoryError);

impl InventoryError {
    /// What S3's answer means for an object of an inventory.
    pub(super) fn of(what: What, error: S3Error) -> Self {
        match error {
            S3Error::Missing { .. } => Self::Missing(what),
            S3Error::Exists { .. } => Self::Changed(what),
            error => Self::S3(error),
        }
    }

    /// It may not be read.
    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::S3(S3Error::Denied { .. }))
    }

    /// It says nothing of what was read before: that is still good.
    pub(super) fn passes(&self) -> bool {
        matches!(self, Self::S3(_) | Self::Late(_))
    }

    /// What it means for the migration.
    pub(super) fn fault(&self) -> Fault {
        let class = match self {
            Self::S3(error) => return crate::s3::fault("inventory", error),
            Self::Late(_) => Class::Transient,
            _ => Class::Fatal,
        };
        Fault { advised: true, origin: Origin::Storage, ..Fault::new(class, self.to_string()) }
    }
}
