//! A definition held against the table that it names.

use super::columns::holds_urls;
use crate::hint::nearest;
use crate::spec::{FileColumn, FilesDefinition, PathStep, Problem};
use crate::sql::Dialect;
use crate::sql::catalog::{Column, Table};

/// Everything of the definition that does not fit the table, beside its key and its `where`.
pub(super) fn check(definition: &FilesDefinition, table: &Table, dialect: Dialect) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut find = |field: String, name: &str| -> Option<Column> {
        let found = table.column(name).cloned();
        if found.is_none() {
            let names = || table.columns.iter().map(|column| column.name.as_str());
            let hint = if let Some(meant) = nearest(name, names()) {
                format!("did you mean `{meant}`?")
            } else {
                let names: Vec<String> = names().take(20).map(|name| format!("`{name}`")).collect();
                format!("its columns are {}", names.join(", "))
            };
            problems.push(Problem {
                field,
                message: format!("the table `{}` has no column `{name}`", table.name),
                hint,
            });
        }
        found
    };
    let mut wrong: Vec<Problem> = Vec::new();
    for (place, file) in definition.source.files.iter().enumerate() {
        let field = format!("source.files[{place}].column");
        if let Some(column) = find(field.clone(), &file.column) {
            if !holds_urls(dialect, &column, file.path.is_some()) {
                wrong.push(Problem {
                    field: field.clone(),
                    message: format!("`{}` is of the type {}, which holds no URLs", column.name, column.type_name),
                    hint: if column.is_json {
                        "say by `path` where in it they are, as in `$[*].original`".to_owned()
                    } else {
                        "name a column of text, or of JSON with a `path`".to_owned()
                    },
                });
            }
            unwritable(&field, &column, &mut wrong);
        }
        if let Some(name) = &file.digest_column {
            find(format!("source.files[{place}].digest_column"), name);
        }
        let known = definition.source.files.iter().take(place).position(|other| may_meet(other, file));
        if let Some(other) = known {
            wrong.push(Problem {
                field: format!("source.files[{place}].path"),
                message: format!("leads to URLs that `source.files[{other}]` leads to, too"),
                hint: "name each URL once: a text is changed in one place at a time".to_owned(),
            });
        }
    }
    for name in definition.target.key.columns() {
        if let Some(column) = find("target.key".to_owned(), name)
            && column.nullable
            && !definition.source.table.key.iter().any(|key| key == name)
        {
            wrong.push(Problem {
                field: "target.key".to_owned(),
                message: format!("`{name}` takes NULL, which names nothing"),
                hint: "name columns that are NOT NULL".to_owned(),
            });
        }
    }
    for (name, _) in &definition.target.columns {
        let field = format!("target.columns.{name}");
        if let Some(column) = find(field.clone(), name) {
            unwritable(&field, &column, &mut wrong);
        }
    }
    problems.extend(wrong);
    problems
}

/// Whether both may lead to the same text: it would be replaced twice, and what is in the place of the first by then is torn.
fn may_meet(one: &FileColumn, other: &FileColumn) -> bool {
    let (Some(one_path), Some(other_path)) = (&one.path, &other.path) else {
        // The whole column is everything in it.
        return one.column == other.column;
    };
    let (one_path, other_path) = (&one_path.0, &other_path.0);
    let meet = |(one, other): (&PathStep, &PathStep)| match (one, other) {
        (PathStep::Every, PathStep::Element(_)) | (PathStep::Element(_), PathStep::Every) => true,
        _ => one == other,
    };
    one.column == other.column && one_path.len() == other_path.len() && one_path.iter().zip(other_path).all(meet)
}

fn unwritable(field: &str, column: &Column, problems: &mut Vec<Problem>) {
    if column.generated {
        problems.push(Problem {
            field: field.to_owned(),
            message: format!("`{}` is computed by the database, and cannot be written", column.name),
            hint: "name the column that it is computed from".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::JsonPath;

    #[test]
    fn paths_that_may_lead_to_one_url_meet() {
        let file = |column: &str, path: &str| FileColumn {
            column: column.to_owned(),
            digest_column: None,
            path: (!path.is_empty()).then(|| JsonPath::parse(path).unwrap()),
            rewrite: None,
        };
        for (one, other) in [
            ("$[*].a", "$[0].a"),
            ("$[*].a", "$[*][\"a\"]"),
            ("$[1][*]", "$[*][2]"),
            ("$.a", "$[\"a\"]"),
            ("", "$.a"),
            ("$.a", ""),
            ("", ""),
        ] {
            assert!(may_meet(&file("photos", one), &file("photos", other)), "{one} {other}");
            assert!(!may_meet(&file("photos", one), &file("papers", other)), "{one} {other}");
        }
        for (one, other) in [("$[0]", "$[1]"), ("$.a", "$.b"), ("$.a", "$.a.b"), ("$[*].a", "$[*].b"), ("$.a", "$[0]")]
        {
            assert!(!may_meet(&file("photos", one), &file("photos", other)), "{one} {other}");
        }
    }
}
