//! What to do next, where a command ends with something that needs a person. `again` is how `milkrun` is called again for the same
//! place.

use serde_json::Value;

/// Of dead letters that no run takes by itself.
pub(super) fn dead_letters(again: &str, name: &str, count: u64) -> String {
    let (letters, them, their) =
        if count == 1 { ("dead letter is", "it", "its") } else { ("dead letters are", "them", "their") };
    format!(
        "{name}: {count} {letters} left: `{again} failed {name}` lists {them}, `{again} retry {name}` puts {them} back once {their} \
         cause is mended"
    )
}

/// Who has paused a migration, when, and how it goes on, as far as its `status` knows.
pub(super) fn paused(again: &str, status: &Value) -> Option<String> {
    let name = status["migration"].as_str()?;
    let at = status["paused"]["at"].as_str()?;
    let by = status["paused"]["by"].as_str().filter(|by| *by != "unknown");
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    let reason = status["reason"].as_str().unwrap_or_default();
    let then = match (status["pinned"].as_str(), status["definition"].as_str()) {
        // A plain `resume` would only pause it again.
        (Some(pinned), Some(now)) if pinned != now => {
            if reason.contains("`resume`") {
                String::new()
            } else {
                format!(
                    "; its definition has changed since it was pinned: undo that, or \
                     `{again} resume {name} --accept {now}` goes on with it"
                )
            }
        }
        _ => format!("; `{again} resume {name}` goes on"),
    };
    Some(format!("paused{by} at {at}{then}"))
}

/// Of what `verify` has found and not mended. `event` is what it was asked; `mends`: whether it can, for a migration of this kind.
pub(super) fn differences(again: &str, event: &Value, reply: &Value, mends: bool) -> Vec<String> {
    let count = |name: &str| reply[name].as_u64().unwrap_or(0);
    let (missing, different, extra) = (count("missing"), count("different"), count("extra"));
    let Some(name) = reply["migration"].as_str() else { return Vec::new() };
    // What was broken off says nothing final.
    if reply["outcome"] != "complete" || missing + different + extra <= count("repaired") {
        return Vec::new();
    }
    let (overwrites, repairs) = (event["overwrite"] == true, event["repair"] == true || event["overwrite"] == true);
    // What only reading has found, only reading finds again.
    let full = if event["full"] == true { " --full" } else { "" };
    let mut lines = Vec::new();
    if missing > 0 && !mends {
        lines.push(format!(
            "missing: `{again} run {name}` moves what has not followed yet; what is a dead letter is listed by \
             `{again} failed {name}` and put back by `{again} retry {name}`"
        ));
    } else if missing > 0 && !repairs {
        lines.push(format!(
            "missing: `{again} verify {name}{full} --repair` inserts what is missing; what has a dead letter \
             is in `{again} failed {name}` too"
        ));
    }
    if different > 0 && !mends {
        lines.push(
            "different: objects are not what was written: nothing here mends them; find out who changed them"
                .to_owned(),
        );
    } else if different > 0 && !overwrites {
        lines.push(format!(
            "different: where the source is right, `{again} verify {name}{full} --overwrite` rewrites the target, and \
             inserts what is missing; where the target is right, mend the source by hand"
        ));
    }
    if extra > 0 {
        lines.push(
            "extra: nothing deletes what has no source any more: look at it, and delete by hand what is not to stay"
                .to_owned(),
        );
    }
    if lines.is_empty() {
        lines.push(
            "what is left could not be mended: where the target refused it, a warning says why; mend it by hand"
                .to_owned(),
        );
    }
    lines
}

/// How many there are beyond those that are listed.
pub(super) fn more(all: u64, listed: usize) -> Option<String> {
    let more = all.saturating_sub(listed as u64);
    (more > 0).then(|| format!("and {more} more"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            dead_letters("milkrun", "m", 1),
            "m: 1 dead letter is left: `milkrun failed m` lists it, `milkrun retry m` puts it back once its cause is mended"
        );
        assert_eq!(
            dead_letters("milkrun --function f", "m", 2),
            "m: 2 dead letters are left: `milkrun --function f failed m` lists them, `milkrun --function f retry m` puts them back \
             once their cause is mended"
        );
        assert_eq!((more(20, 20), more(23, 20).as_deref()), (None, Some("and 3 more")));
    }

    fn status(by: &str, reason: &str, now: &str) -> Value {
        let paused = json!({"by": by, "at": "T"});
        json!({"migration": "m", "reason": reason, "paused": paused, "pinned": "a", "definition": now})
    }

    #[test]
    fn a_pause_says_who_and_how_it_goes_on() {
        for (status, said) in [
            (status("ann", "lunch", "a"), Some("paused by ann at T; `milkrun resume m` goes on")),
            (status("unknown", "lunch", "a"), Some("paused at T; `milkrun resume m` goes on")),
            (
                status("ann", "lunch", "b"),
                Some(
                    "paused by ann at T; its definition has changed since it was pinned: undo that, or `milkrun resume m --accept b` \
                     goes on with it",
                ),
            ),
            (status("milkrun", "it has changed: undo it and `resume`, or …", "b"), Some("paused by milkrun at T")),
            (json!({"migration": "m", "pinned": null, "definition": "a"}), None),
        ] {
            assert_eq!(paused("milkrun", &status).as_deref(), said, "{status}");
        }
    }

    fn found(missing: u64, different: u64, extra: u64, repaired: u64) -> Value {
        let mut reply = json!({"migration": "m", "outcome": "complete", "missing": missing, "different": different});
        (reply["extra"], reply["repaired"]) = (json!(extra), json!(repaired));
        reply
    }

    #[test]
    fn differences_name_what_mends_them_and_nothing_that_was_done() {
        let (plain, repair) = (json!({}), json!({"repair": true, "overwrite": false}));
        let overwrite = json!({"repair": false, "overwrite": true});
        let none: &[&str] = &[];
        for (event, reply, mends, kinds) in [
            (&plain, found(0, 0, 0, 0), true, none),
            (&plain, found(1, 1, 1, 0), true, &["missing: ", "different: ", "extra: "]),
            (&repair, found(2, 1, 0, 2), true, &["different: "]),
            (&repair, found(2, 0, 0, 1), true, &["what is left "]),
            (&repair, found(2, 0, 0, 2), true, none),
            (&overwrite, found(2, 2, 0, 3), true, &["what is left "]),
            (&overwrite, found(0, 0, 1, 0), true, &["extra: "]),
            (&plain, found(1, 1, 1, 0), false, &["missing: ", "different: ", "extra: "]),
        ] {
            let lines = differences("milkrun", event, &reply, mends);
            let good =
                lines.len() == kinds.len() && lines.iter().zip(kinds).all(|(line, kind)| line.starts_with(*kind));
            assert!(good, "{event} {reply}: {lines:?}");
            assert!(mends || lines.iter().all(|line| !line.contains("--")), "{lines:?}");
        }
        let read = differences("milkrun", &json!({"full": true}), &found(1, 1, 0, 0), true);
        assert!(read[0].contains("`milkrun verify m --full --repair`"), "{read:?}");
        assert!(read[1].contains("`milkrun verify m --full --overwrite`"), "{read:?}");
        let broken_off = json!({"migration": "m", "outcome": "more", "missing": 1});
        assert!(differences("milkrun", &plain, &broken_off, true).is_empty());
    }
}
