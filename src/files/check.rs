//! A definition held against the table that it names.

use super::columns::holds_urls;
use crate::hint::nearest;
use crate::spec::{FilesDefinition, Problem};
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

fn unwritable(field: &str, column: &Column, problems: &mut Vec<Problem>) {
    if column.generated {
        problems.push(Problem {
            field: field.to_owned(),
            message: format!("`{}` is computed by the database, and cannot be written", column.name),
            hint: "name the column that it is computed from".to_owned(),
        });
    }
}
