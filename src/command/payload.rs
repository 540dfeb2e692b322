//! What the function is handed: an event, or what is no JSON at all, which the emulators of Lambda pass on.

use super::error::CommandError;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A payload. Reading one never fails: what is wrong with it is told as everything else that is wrong with an event.
pub struct Payload(Result<Value, String>);

impl Payload {
    /// The event.
    pub fn event(&self) -> Result<&Value, CommandError> {
        self.0.as_ref().map_err(|error| {
            CommandError::Usage(format!(
                "the event is no JSON ({error}), but has to be an object such as {{\"command\": \"run\", \
                 \"migration\": \"orders-history\"}}"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Value::deserialize(deserializer).map_err(|error| error.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn handed(text: &str) -> Payload {
        // As lambda_runtime reads it, which does not look for an end.
        Payload::deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap()
    }

    #[test]
    fn what_is_no_json_is_a_usage_error_that_says_what_was_expected() {
        assert_eq!(handed(r#"{"command": "run"}"#).event().unwrap(), &json!({"command": "run"}));
        for (text, why) in [
            ("", "EOF while parsing a value"),
            ("run", "expected value"),
            (r#"{"command": "#, "EOF while parsing a value"),
        ] {
            let error = handed(text).event().unwrap_err();
            let message = error.to_string();
            assert_eq!(error.kind(), "Usage");
            assert!(message.starts_with(&format!("the event is no JSON ({why} at line 1 column ")), "{message}");
            let expected = r#"), but has to be an object such as {"command": "run", "migration": "orders-history"}"#;
            assert!(message.ends_with(expected), "{message}");
        }
    }
}
