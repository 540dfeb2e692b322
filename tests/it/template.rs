//! What `template.yaml` promises: least privilege, no retries, a ledger that is hard to lose. And that packaging refuses
//! what would not load. A template's tags are beyond a YAML parser, so the text's indentation is read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The names directly under a top-level section, each with its block.
fn entries(section: &str) -> Vec<(String, String)> {
    let template = text("template.yaml");
    let mut found: Vec<(String, String)> = Vec::new();
    let within = template.lines().skip_while(|line| *line != format!("{section}:")).skip(1);
    for line in within.take_while(|line| line.is_empty() || line.starts_with(' ')) {
        if indent(line) == 2 && !line.trim_start().starts_with('#') {
            found.push((line.trim().trim_end_matches(':').to_owned(), String::new()));
        } else if let Some((_, block)) = found.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
    }
    assert!(!found.is_empty(), "no section {section}");
    found
}

fn resource(name: &str) -> String {
    entries("Resources").into_iter().find(|(entry, _)| entry == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn flat(block: &str) -> String {
    block.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_ledger_is_never_scanned_and_no_action_is_a_wildcard() {
    let role = resource("FunctionRole");
    let role = flat(&role);
    let ledger = role.split("Sid: Ledger").nth(1).unwrap().split("Sid:").next().unwrap().trim();
    assert_eq!(
        ledger.trim_end_matches('-').trim(),
        "Effect: Allow Action: - dynamodb:GetItem - dynamodb:PutItem - dynamodb:DeleteItem - dynamodb:Query \
         Resource: !GetAtt LedgerTable.Arn"
    );
    for line in text("template.yaml").lines().filter(|line| !line.trim_start().starts_with('#')) {
        assert!(!line.contains("Scan"), "{line}");
        assert!(!line.contains("ManagedPolicyArns") && !line.contains("PolicyName: AWS"), "{line}");
        for service in ["dynamodb:", "s3:", "sns:", "sqs:", "kms:", "ec2:", "logs:", "secretsmanager:", "lambda:"] {
            let action = line.split(service).nth(1).unwrap_or_default();
            assert!(!action.starts_with('*'), "{line}");
        }
    }
}

#[test]
fn the_only_wildcard_resource_is_the_one_of_network_interfaces_under_its_condition() {
    let template = text("template.yaml");
    let lines: Vec<&str> = template.lines().collect();
    let wild: Vec<usize> = (0..lines.len())
        .filter(|&at| {
            let line = lines[at].trim().trim_start_matches("- ");
            line.starts_with("Resource:") && ["\"*\"", "'*'", "[*]"].iter().any(|any| line.ends_with(any))
        })
        .collect();
    let &[at] = wild.as_slice() else { panic!("wildcard resources in lines {wild:?}") };
    let statement = flat(&lines[at - 10..at + 5].join("\n"));
    assert!(statement.contains("HasVpc - Sid: NetworkInterfaces"), "{statement}");
    assert!(statement.contains("Condition: ArnNotEquals: lambda:SourceFunctionArn"), "{statement}");
    let actions = statement.split("Action:").nth(1).unwrap().split("Resource:").next().unwrap();
    for action in actions.split_whitespace().filter(|word| *word != "-") {
        assert!(action.starts_with("ec2:"), "{action}");
    }
}

#[test]
fn buckets_are_made_acls_given_and_roles_taken_on_only_where_that_is_asked() {
    let role = flat(&resource("FunctionRole"));
    for (condition, allowed) in [
        ("CreatesTargetBucket", "Action: s3:CreateBucket Resource: !Sub arn:${AWS::Partition}:s3:::${TargetBucket} "),
        ("ReadsAcls", "Action: s3:GetObjectAcl Resource: !Sub arn:${AWS::Partition}:s3:::${SourceBucket}/* "),
        ("GivesAcls", "Action: s3:PutObjectAcl Resource: !Sub arn:${AWS::Partition}:s3:::${TargetBucket}/* "),
        ("HasRoles", "Action: sts:AssumeRole Resource: !Ref RoleArns "),
    ] {
        let statement = role.split(&format!("!If - {condition} - Sid: ")).nth(1);
        let statement = statement.unwrap_or_else(|| panic!("nothing for {condition}")).split("Sid: ").next().unwrap();
        assert!(statement.contains(allowed), "{statement}");
        let action = allowed.split(' ').nth(1).unwrap();
        let everywhere = role.split("Policies:").nth(1).unwrap().matches(action).count();
        assert_eq!(everywhere, 1, "{action}");
    }
}

/// S3 leaves a lock out of its answers to whoever may not see it, and its loss would be written down nowhere.
#[test]
fn the_locks_of_the_sources_objects_can_be_seen() {
    let role = flat(&resource("FunctionRole"));
    let source = role.split("Sid: Source ").nth(1).unwrap().split("Sid: ").next().unwrap();
    for action in ["s3:GetObjectRetention", "s3:GetObjectLegalHold"] {
        assert!(source.contains(action), "{source}");
    }
}

#[test]
fn a_failed_or_stale_tick_is_not_tried_again() {
    let function = flat(&resource("MilkrunFunction"));
    assert!(function.contains("EventInvokeConfig: MaximumRetryAttempts: 0 MaximumEventAgeInSeconds: 60"), "{function}");
    assert!(function.contains("RetryPolicy: MaximumRetryAttempts: 0 MaximumEventAgeInSeconds: 60"), "{function}");
    assert!(function.contains("OnFailure: Type: SQS Destination: !GetAtt FailedRuns.Arn"), "{function}");
    assert!(function.contains("FlexibleTimeWindow: Mode: \"OFF\""), "{function}");
}

#[test]
fn the_schedule_hands_in_a_run_with_its_context() {
    let function = flat(&resource("MilkrunFunction"));
    let input = function.split("Input: >- ").nth(1).unwrap();
    let event: serde_json::Value = serde_json::from_str(&input[..=input.find('}').unwrap()]).unwrap();
    assert_eq!(
        event,
        serde_json::json!({
            "command": "run",
            "scheduled_time": "<aws.scheduler.scheduled-time>",
            "execution_id": "<aws.scheduler.execution-id>",
            "attempt": "<aws.scheduler.attempt-number>",
        })
    );
}

#[test]
fn the_ledger_is_hard_to_lose() {
    let table = flat(&resource("LedgerTable"));
    for promise in [
        "DeletionPolicy: Retain UpdateReplacePolicy: Retain",
        "BillingMode: PAY_PER_REQUEST",
        "{ AttributeName: migration, KeyType: HASH } - { AttributeName: item, KeyType: RANGE }",
        "TimeToLiveSpecification: AttributeName: expires Enabled: true",
        "PointInTimeRecoveryEnabled: true",
        "DeletionProtectionEnabled: true",
    ] {
        assert!(table.contains(promise), "{promise} is not in {table}");
    }
}

#[test]
fn every_alarm_can_tell_somebody_and_the_operations_page_knows_it() {
    let page = text("docs/operations.md");
    let alarms: Vec<_> =
        entries("Resources").into_iter().filter(|(_, block)| block.contains("CloudWatch::Alarm")).collect();
    assert!(alarms.len() >= 4, "errors, throttles, fencing and no progress");
    for (name, block) in alarms {
        assert!(block.contains("AlarmActions: !If [HasAlarmTopic"), "{name}");
        assert!(block.contains("TreatMissingData:"), "{name}");
        let heading = block.split("operations.md, \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert!(page.contains(&format!("\n### {heading}\n")), "{name}: no heading {heading}");
        let metric = block.lines().find_map(|line| line.trim().strip_prefix("MetricName: ")).unwrap();
        if block.contains("Namespace: milkrun") {
            assert!(page.contains(&format!("`{metric}`")), "{name}: {metric} is no metric of ours");
        }
    }
}

#[test]
fn a_schedule_that_nobody_meant_to_stop_is_missed_and_nothing_else_is() {
    for (name, block) in entries("Resources").into_iter().filter(|(_, block)| block.contains("CloudWatch::Alarm")) {
        let missing = block.lines().find_map(|line| line.trim().strip_prefix("TreatMissingData: ")).unwrap();
        let meant = name == "NoProgressAlarm";
        assert_eq!(
            missing,
            if meant { "!If [IsScheduled, breaching, notBreaching]" } else { "notBreaching" },
            "{name}"
        );
    }
    let scheduled =
        text("template.yaml").lines().any(|line| line == "  IsScheduled: !Equals [!Ref ScheduleState, ENABLED]");
    assert!(scheduled);
}

#[test]
fn the_saved_queries_ask_for_the_dead_letters_line_as_the_operations_page_tells_it() {
    let page = flat(&text("docs/operations.md"));
    assert!(page.contains(
        "`message` is `set aside`, beside it `migration`, `class` and `key` (hashed with `log_keys = false`)"
    ));
    let failures = flat(&resource("Failures"));
    assert!(failures.contains("or message = \"set aside\" or"), "{failures}");
    let conflicts = flat(&resource("Conflicts"));
    assert!(conflicts.contains("filter message = \"set aside\" and class = \"conflict\" |"), "{conflicts}");
    for (query, fields) in [(failures, ["migration", "class", "key"].as_slice()), (conflicts, &["migration", "key"])] {
        let shown = query.split("| fields ").nth(1).unwrap().split('|').next().unwrap();
        let shown: Vec<_> = shown.trim().split(", ").collect();
        assert!(fields.iter().all(|field| shown.contains(field)), "{query}");
    }
}

#[test]
fn every_parameter_is_in_the_table_of_the_deployment_page() {
    let page = text("docs/deploy.md");
    for (name, _) in entries("Parameters") {
        let row = page.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{name}`")));
        assert!(row, "docs/deploy.md says nothing of {name}");
    }
}

#[test]
fn there_is_an_event_for_each_command() {
    let mut commands = Vec::new();
    for file in fs::read_dir(root().join("events")).unwrap() {
        let path = file.unwrap().path();
        let event: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        match event.get("command").and_then(serde_json::Value::as_str) {
            Some(command) => commands.push(command.to_owned()),
            None => assert_eq!(event["detail-type"], "Scheduled Event", "{}", path.display()),
        }
    }
    for command in ["run", "plan", "status", "pause", "resume", "failed", "retry", "verify", "rollback", "reset"] {
        assert!(commands.iter().any(|known| known == command), "no event for {command}");
        assert!(root().join(format!("events/{command}.json")).exists(), "no events/{command}.json");
    }
}

/// Packs `bootstrap` for `architecture` and answers with what the script complained about.
fn refusal(architecture: &str, bootstrap: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(root().join("scripts/package.sh"))
        .args([Path::new(architecture), folder.path()])
        .env("MILKRUN_BOOTSTRAP", bootstrap)
        .output()
        .unwrap();
    assert!(!output.status.success(), "packed {} for {architecture}", bootstrap.display());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_package_of_the_wrong_architecture_fails_the_build() {
    let ours: PathBuf = std::env::current_exe().unwrap();
    let (other, machine) = if cfg!(target_arch = "x86_64") { ("arm64", "X86-64") } else { ("x86_64", "AArch64") };
    let complaint = refusal(other, &ours);
    assert!(
        complaint.contains(machine) && complaint.contains(&format!("the template asks for {other}")),
        "{complaint}"
    );
    assert!(refusal("sparc", &ours).contains("expected x86_64 or arm64"));
}

#[test]
fn a_bootstrap_that_is_no_program_fails_the_build() {
    let complaint = refusal("x86_64", &root().join("template.yaml"));
    assert!(complaint.contains("is no Linux executable"), "{complaint}");
}
