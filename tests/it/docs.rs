//! What the documentation says of the code: its links lead somewhere, its words are the code's, its examples run.

use milkrun::engine::state::Phase;
use milkrun::fault::POLICY;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Every page that a user reads.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for folder in ["docs", "docs/decisions"] {
        let files = fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().path());
        pages.extend(files.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    }
    pages
}

/// The targets of a page's links.
fn links(page: &str) -> Vec<&str> {
    page.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// A heading as GitHub makes an anchor of it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
    kept.map(|character| if character == ' ' { '-' } else { character }).collect()
}

#[test]
fn every_link_leads_to_a_file_and_its_heading() {
    let mut checked = 0;
    for page in pages() {
        let shown = fs::read_to_string(&page).unwrap();
        for link in links(&shown).into_iter().filter(|link| !link.starts_with("https://")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if !heading.is_empty() {
                let there = fs::read_to_string(&target).unwrap();
                let found = there.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
                assert!(found, "{}: {link} names no heading", page.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} links were found");
}

#[test]
fn the_state_machine_has_every_word_of_status_and_no_other() {
    let page = text("docs/state-machine.md");
    let diagram = page.split("```mermaid").nth(1).unwrap().split("```").next().unwrap();
    let word = |phase: Phase| serde_json::to_value(phase).unwrap().as_str().unwrap().to_owned();
    let words = [Phase::New, Phase::Moving, Phase::Sweeping, Phase::Paused, Phase::Complete].map(word);
    for arrow in diagram.lines().filter(|line| line.contains("-->")) {
        let (ends, cause) = arrow.split_once(": ").unwrap_or((arrow, ""));
        assert!(!cause.is_empty() || ends.contains("[*]"), "{arrow} has no cause");
        for end in ends.split("-->").map(str::trim).filter(|end| *end != "[*]") {
            assert!(words.iter().any(|word| word == end), "{end} is no word of `status`");
        }
    }
    for word in words {
        assert!(diagram.contains(&format!("--> {word}")), "nothing leads to {word}");
        assert!(page.contains(&format!("| `{word}` |")), "{word} is not explained");
    }
}

#[test]
fn the_failure_modes_have_every_class() {
    let page = text("docs/failure-modes.md");
    for (class, ..) in POLICY {
        let mut words = String::new();
        for character in format!("{class:?}").chars() {
            if character.is_uppercase() && !words.is_empty() {
                words.push(' ');
            }
            words.extend(character.to_lowercase());
        }
        assert!(page.contains(&format!("\n| {words} |")), "{words} is not in the table");
    }
}

#[test]
fn the_readme_shows_the_migration_that_ships() {
    let readme = text("README.md");
    let shown = readme.split("```toml").nth(1).unwrap().split("```").next().unwrap();
    let mut ships: toml::Table = text("migrations/orders-history.toml").parse().unwrap();
    // Its limits are the defaults, which a table of the README lists.
    ships.remove("limits");
    assert_eq!(shown.parse::<toml::Table>().unwrap(), ships);
}

#[test]
fn the_custom_migration_is_short_and_runs() {
    assert!(text("examples/custom.rs").lines().count() < 60);
    // Beside this binary's folder; `cargo test` builds it.
    let built = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("examples/custom");
    assert!(built.exists(), "build it first: cargo build --example custom");
    let output = std::process::Command::new(built).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, "More: 2 moved, 2 in all\nMore: 2 moved, 4 in all\nComplete: 1 moved, 5 in all\n");
}
