//! `plan`: looks at everything, changes nothing.

use super::error::CommandError;
use super::{Handler, Invocation};
use serde_json::Value;

impl Handler {
    pub(super) async fn plan(&self, _name: &str, _invocation: &Invocation) -> Result<Value, CommandError> {
        Err(CommandError::Usage("plan is not there yet".into()))
    }
}
