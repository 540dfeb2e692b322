//! Replies for people.

use super::key::shown;
use serde_json::Value;
use std::fmt::Write;

/// A reply as indented `name: value` lines.
pub(super) fn text(reply: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, reply, 0);
    out.trim_end().to_owned()
}

/// A plan's reply. Of what its problems kept from being made it does not say that there is none.
pub(super) fn plan(reply: &Value) -> String {
    let mut told = reply.clone();
    let has_problems = reply["problems"].as_array().is_some_and(|problems| !problems.is_empty());
    if let Some(fields) = told.as_object_mut().filter(|_| has_problems) {
        let unmade = |name: &str, value: &Value| {
            matches!(name, "statements" | "query_plans") && value.as_array().is_some_and(Vec::is_empty)
        };
        fields.retain(|name, value| !unmade(name, value));
    }
    text(&told)
}

fn write_value(out: &mut String, value: &Value, depth: usize) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            let is_problem = fields.contains_key("message");
            for (name, value) in fields.iter().filter(|(name, value)| !is_unsaid(name, value, is_problem)) {
                if let Some(key) = shown(value).filter(|_| name == "key") {
                    let _ = writeln!(out, "{pad}{name}: {key}");
                } else if is_plain(value) {
                    let _ = writeln!(out, "{pad}{name}: {}", plain(value));
                } else {
                    let _ = writeln!(out, "{pad}{name}:");
                    write_value(out, value, depth + 1);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                if is_plain(item) {
                    let _ = writeln!(out, "{pad}- {}", plain(item));
                } else {
                    let _ = writeln!(out, "{pad}-");
                    write_value(out, item, depth + 1);
                }
            }
        }
        other => {
            let _ = writeln!(out, "{pad}{}", plain(other));
        }
    }
}

/// Nobody reads the form's version, or a label with nothing behind it. A problem of a whole file has no field to name.
fn is_unsaid(name: &str, value: &Value, is_problem: bool) -> bool {
    name == "v" || value.is_null() || (is_problem && matches!(name, "field" | "hint") && value == "")
}

fn is_plain(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.iter().all(|item| !item.is_object() && !item.is_array()) && items.len() <= 4,
        _ => true,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace('\n', "\n    "),
        Value::Object(_) => "none".to_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_replies_are_indented() {
        let reply = json!({"v": 1, "state": "moving", "reason": null, "progress": {"moved": 3}, "dead": {}, "leases": [{"shard": "0000"}]});
        assert_eq!(text(&reply), "state: moving\nprogress:\n  moved: 3\ndead: none\nleases:\n  -\n    shard: 0000");
    }

    #[test]
    fn a_problem_of_the_whole_file_has_no_empty_label() {
        let problem = |field: &str, hint: &str| json!({"field": field, "message": "is wrong", "hint": hint});
        let reply = json!({"problems": [problem("", "undo it"), problem("kind", "")], "sample_document": {"hint": ""}});
        assert_eq!(
            text(&reply),
            "problems:\n  -\n    message: is wrong\n    hint: undo it\n  -\n    field: kind\n    message: is wrong\nsample_document:\n  hint:"
        );
    }

    #[test]
    fn a_plan_with_problems_does_not_say_that_there_are_no_statements() {
        let mut reply = json!({"problems": [{"field": "kind"}], "warnings": [], "statements": [], "query_plans": []});
        assert_eq!(plan(&reply), "problems:\n  -\n    field: kind\nwarnings: none");
        reply["statements"] = json!([{"purpose": "p"}]);
        assert!(plan(&reply).ends_with("statements:\n  -\n    purpose: p"), "{}", plan(&reply));
        reply["problems"] = json!([]);
        assert!(plan(&reply).ends_with("query_plans: none"), "{}", plan(&reply));
    }

    #[test]
    fn a_key_stands_on_one_line_in_the_form_that_retry_takes() {
        let reply = json!({"items": [{"key": ["1", "2", "3", "4", "5"]}, {"key": ["a, b"]}]});
        assert_eq!(text(&reply), "items:\n  -\n    key: 1, 2, 3, 4, 5\n  -\n    key: [\"a, b\"]");
    }
}
