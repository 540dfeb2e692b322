//! What people are told to do next, where a command ends with something that needs one of them.

use super::SMALL;
use crate::support::cli::Finished;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop;

/// What a command says on stderr, after this exit status.
#[track_caller]
fn told(job: &Job, arguments: &[&str], code: i32) -> String {
    let Finished { stderr, .. } = job.cli().run(arguments).expect(code);
    stderr
}

/// A job that begins anew over a target of which so many rows differ from their source.
fn with_conflicts(many: u32) -> Job {
    let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"");
    job.run_to_the_end();
    job.database.execute(&format!(
        "UPDATE order_history SET document = '{{}}'
         WHERE order_id IN (SELECT order_id FROM order_history ORDER BY order_id LIMIT {many})"
    ));
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    job
}

#[test]
fn a_later_run_says_how_many_dead_letters_are_left_and_what_to_do_with_them() {
    let job = with_conflicts(2);
    let left = "orders-history: 2 dead letters are left: `milkrun failed orders-history` lists them, `milkrun retry orders-history` \
                puts them back once their cause is mended\n";
    // The run that met them; a later one, which does nothing; and with the ledger named on the command line.
    assert_eq!(told(&job, &["run", "--until-done"], 3), left);
    assert_eq!(told(&job, &["run", &job.name], 3), left);
    let elsewhere = told(&job, &["run", &job.name, "--ledger", "sqlite://ledger.db"], 3);
    assert_eq!(elsewhere, left.replace("`milkrun", "`milkrun --ledger sqlite://ledger.db"));
    assert_eq!(told(&with_conflicts(0), &["run", "orders-history"], 0), "");
}

#[test]
fn a_paused_run_says_who_wanted_that_and_how_it_goes_on() {
    let mut job = with_conflicts(0);
    job.reply(&["pause", &job.name, "--reason", "lunch", "--by", "ann"]);
    let status = job.status();
    let by = format!("lunch\npaused by ann at {}; ", status["paused"]["at"].as_str().unwrap());
    assert_eq!(told(&job, &["run", &job.name], 4), format!("{by}`milkrun resume orders-history` goes on\n"));
    job.reply(&["resume", &job.name]);
    job.run_to_the_end();
    // A file that has changed: the reason of the pause says all.
    job.define(&shop::migration("settle = \"0s\"").replace("[\"card_number\"]", "[\"card_number\", \"remark\"]"));
    let changed = told(&job, &["run", &job.name], 4);
    let lines: Vec<&str> = changed.lines().collect();
    let [reason, by] = lines.as_slice() else { panic!("{changed}") };
    let accept = format!("`milkrun resume orders-history --accept {}`", job.status()["definition"].as_str().unwrap());
    assert!(reason.contains(&accept), "{changed}");
    assert!(by.starts_with("paused by milkrun at ") && !by.contains("resume"), "{changed}");
}

#[test]
fn a_verification_that_finds_differences_says_what_mends_them_and_how_many_more_there_are() {
    let mut job = with_conflicts(0);
    job.run_to_the_end();
    // Twenty-three of them, of which twenty are listed: each stretch names all that it finds.
    job.define(&shop::migration("settle = \"0s\"\nmax_batch = 4"));
    job.database.execute(
        "DELETE FROM order_history WHERE order_id IN (SELECT order_id FROM order_history ORDER BY order_id LIMIT 11);
         UPDATE order_history SET document = '{}'
         WHERE order_id IN (SELECT order_id FROM order_history ORDER BY order_id LIMIT 12)",
    );
    let found = told(&job, &["verify", &job.name], 3);
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!((lines.len(), lines[20]), (23, "and 3 more"), "{found}");
    assert!(lines[21].starts_with("missing: `milkrun verify orders-history --repair` inserts"), "{found}");
    assert!(lines[22].contains("`milkrun verify orders-history --overwrite` rewrites"), "{found}");
    // What was asked for already is not said again.
    let rest = told(&job, &["verify", &job.name, "--repair"], 3);
    assert!(!rest.contains("--repair") && rest.contains("--overwrite"), "{rest}");
    let rest = told(&job, &["verify", &job.name, "--overwrite"], 0);
    assert!(!rest.contains("milkrun"), "{rest}");
}

#[test]
fn a_plan_with_problems_does_not_say_that_there_are_no_statements() {
    let mut job = with_conflicts(0);
    job.define(&shop::migration("").replace("table = \"orders\"", "table = \"ordrs\""));
    let plan = job.cli().run(&["plan", &job.name]).expect(2).stdout;
    assert!(plan.contains("there is no table `ordrs`") && !plan.contains("statements:"), "{plan}");
}
