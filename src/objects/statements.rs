//! What to paste where a role lacks something: into its own policy, into that of a bucket of another account, and what lets the function take
//! on a role at all.

use super::access::Access;
use super::failure::Side;
use super::{OURS, Objects};
use crate::s3::Bucket;
use crate::spec::Problem;
use serde_json::{Value, json};

/// What stands for a role that nobody names.
pub(super) const OWN_ROLE: &str = "the ARN of the function's role";

/// Permissions that one side's role lacks in one bucket.
pub(super) struct Lacking<'a> {
    /// Whose role.
    pub(super) role: Side,
    /// Whose bucket.
    pub(super) side: Side,
    pub(super) bucket: &'a Bucket,
    pub(super) actions: Vec<&'static str>,
    /// The function may not take on the role.
    pub(super) unassumed: bool,
}

impl Objects {
    pub(super) fn lacking(&self, role: Side, side: Side) -> Lacking<'_> {
        let bucket = if side == Side::Source { &self.from } else { &self.to };
        Lacking { role, side, bucket, actions: Vec::new(), unassumed: false }
    }

    /// What a role lacks, with what to paste into its policy, and into that of a bucket of another account.
    pub(super) fn explain(&self, lacking: Lacking<'_>, access: &mut Access) {
        let Lacking { role, side, bucket, actions, unassumed } = lacking;
        if unassumed {
            self.let_in(role, access);
        }
        if actions.is_empty() {
            return;
        }
        let place = self.place(side);
        let prefixes: &[&str] =
            if side == Side::Target { &[place.prefix.as_str(), OURS] } else { &[place.prefix.as_str()] };
        let s3 = if side == Side::Source { &self.source } else { &self.target };
        let arn = s3.arn(&bucket.name);
        let (of_keys, of_s3): (Vec<_>, Vec<_>) = actions.iter().copied().partition(|action| action.starts_with("kms:"));
        let mut resources = vec![arn.clone()];
        resources.extend(prefixes.iter().map(|prefix| format!("{arn}/{prefix}*")));
        let who = self.place(role).role.clone();
        let (of_role, of_bucket) = match role {
            Side::Source => {
                ("policy of the source's role", "policy of the source's bucket, if it is another account's")
            }
            Side::Target if side == Side::Source => (
                "policy of the target's role, which reads the source",
                "policy of the source's bucket, if it is another account's",
            ),
            Side::Target => {
                ("policy of the target's role", "policy of the target's bucket, if it is another account's")
            }
        };
        if !of_s3.is_empty() {
            let statement = json!({"Effect": "Allow", "Action": of_s3, "Resource": resources});
            access.state(of_role, &statement);
            let mut statement = statement;
            statement["Principal"] = json!({"AWS": who.as_deref().unwrap_or(OWN_ROLE)});
            access.state(of_bucket, &statement);
        }
        if !of_keys.is_empty() {
            let key =
                self.definition.target.kms_key.as_deref().filter(|key| side == Side::Target && key.starts_with("arn:"));
            let key = key.unwrap_or("the ARN of the key");
            access.state(of_role, &json!({"Effect": "Allow", "Action": of_keys, "Resource": key}));
        }
        let word = side.word();
        access.problems.push(Problem {
            field: if side == role { format!("{word}.bucket") } else { format!("{}.role", role.word()) },
            message: format!("`{}` does not allow {}", bucket.name, actions.join(", ")),
            hint: "add what stands under `statements` to the policy that each names".to_owned(),
        });
    }

    /// What it takes to make the target's bucket, which nobody can try.
    pub(super) fn foretell_making(&self, access: &mut Access) {
        let statement =
            json!({"Effect": "Allow", "Action": ["s3:CreateBucket"], "Resource": self.target.arn(&self.to.name)});
        access.state("policy of the target's role, unless it has it", &statement);
    }

    /// What would let `plan` see more of the target's bucket; no run needs it.
    pub(super) fn offer(&self, actions: &[&'static str], access: &mut Access) {
        if actions.is_empty() {
            return;
        }
        let statement = json!({"Effect": "Allow", "Action": actions, "Resource": self.target.arn(&self.to.name)});
        let purpose =
            "policy of the target's role, optional: `plan` sees the bucket's lifecycle rules and notifications by it";
        access.state(purpose, &statement);
    }

    /// What it takes to take on a side's role, if it has one of its own.
    fn let_in(&self, role: Side, access: &mut Access) {
        let Some(arn) = &self.place(role).role else { return };
        let (of_function, of_role) = match role {
            Side::Source => ("policy of the function's role, unless it has it", "trust policy of the source's role"),
            Side::Target => ("policy of the function's role, unless it has it", "trust policy of the target's role"),
        };
        access.state(of_function, &json!({"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": arn}));
        let trust = json!({"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"AWS": OWN_ROLE}});
        access.state(of_role, &trust);
    }
}

impl Access {
    /// A statement, once.
    fn state(&mut self, purpose: &'static str, statement: &Value) {
        let one = (purpose, statement.to_string());
        if !self.statements.contains(&one) {
            self.statements.push(one);
        }
    }
}
