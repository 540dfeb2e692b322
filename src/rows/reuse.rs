//! Sessions from one invocation to the next: a sandbox is frozen in between, and a socket may have died meanwhile.

use super::link::Deadline;
use super::{Rows, RowsError};
use crate::fault::Class;
use crate::spec::Definition;
use crate::sql::ConnectOptions;
use std::sync::Arc;
use std::time::Duration;

impl Rows {
    /// Where it is connected.
    pub fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// The same for another invocation: both sessions still answer, and the catalog is read and checked anew.
    pub async fn again(self, definition: &Definition, limit: Duration) -> Result<Self, RowsError> {
        let deadline = Deadline::after(limit);
        let session = {
            let mut reader = self.reader.lock().await;
            reader.alive(deadline).await?;
            reader.take()
        };
        if !Arc::ptr_eq(&self.reader, &self.writer) {
            self.writer.lock().await.alive(deadline).await?;
        }
        let again = Self::over(definition, &self.options, session, deadline).await?;
        if !Arc::ptr_eq(&self.reader, &self.writer) {
            let writer = self.writer.lock().await.take();
            if let Some(writer) = writer {
                again.writer.lock().await.put(writer);
            }
        }
        Ok(again)
    }

    /// Says goodbye to the server.
    pub async fn close(self) {
        for link in [&self.reader, &self.writer] {
            let session = link.lock().await.take();
            if let Some(session) = session {
                session.close().await;
            }
        }
    }
}

impl RowsError {
    /// Decides what happens next.
    pub fn class(&self) -> Class {
        match self {
            Self::Problems(_) | Self::Key(_) | Self::Shape(_) => Class::Fatal,
            Self::Sql(sql) => sql.class(),
            Self::Overtaken => Class::Transient,
            Self::TooLarge { .. } => Class::TooLarge,
            Self::Duplicate { .. } => Class::Poison,
        }
    }

    /// User or password are wrong: a secret may have been rotated.
    pub fn is_authentication(&self) -> bool {
        matches!(self, Self::Sql(sql) if sql.is_authentication())
    }
}
