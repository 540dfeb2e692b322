//! Many rows are copied out, by COPY.

use super::{ENDLESS, session};
use crate::sql::{AMPLE, SHORT, one, open, statement};
use milkrun::fault::Class;
use milkrun::sql::grid::{Form, Page};
use milkrun::sql::statement::Bind;
use milkrun::sql::{Session, SqlError};

#[tokio::test]
async fn many_rows_are_copied_out_and_the_session_knows_when_it_can_go_on() {
    let (mut session, url) = session().await;
    let ask = |session: &Session, from: &str| {
        let mut ask = statement(session, "SELECT n::text, ");
        ask.bind(Bind::Text("it's \\ $1\n\t😀".into())).sql("::text, ");
        ask.bind(Bind::Bytes(vec![0, 255])).sql("::bytea, CASE WHEN n < ").bind(Bind::Int(0)).sql(" THEN '' END FROM ");
        ask.sql(from).sql(" ORDER BY n");
        ask
    };
    let many = ask(&session, "generate_series(1, 1000) n");
    for bytes in [u64::MAX, 500, 1] {
        let copied = session.read_many(&many, Form::Cast, bytes, AMPLE).await.unwrap();
        assert_eq!(copied, session.read(&many, bytes, AMPLE).await.unwrap(), "{bytes}");
        assert_eq!(copied.rows.cell(0, 2), Some(&[0, 255][..]));
        assert_eq!((copied.rows.text(0, 1), copied.rows.cell(0, 3)), (Some("it's \\ $1\n\t😀"), None));
    }
    let none = session.read_many(&ask(&session, "generate_series(1, 0) n"), Form::Cast, 1, AMPLE).await.unwrap();
    assert!(none.rows.is_empty() && !none.is_cut);
    let mut nul = statement(&session, "SELECT ");
    nul.bind(Bind::Text("\0".into())).sql("::text");
    assert!(matches!(session.read_many(&nul, Form::Cast, 1, AMPLE).await, Err(SqlError::Unsendable(_))));
    // What fails on the way leaves the session as it was,
    let broken = statement(&session, "SELECT (1 / (n - 900))::text FROM generate_series(1, 1000) n");
    let error = session.read_many(&broken, Form::Cast, u64::MAX, AMPLE).await.unwrap_err();
    assert_eq!((error.code(), session.is_lost()), (Some("22012"), false));
    assert_eq!(one(&mut session, "SELECT 1").await, "1");
    let slow = session.read_many(&statement(&session, ENDLESS), Form::Cast, u64::MAX, SHORT).await.unwrap_err();
    assert_eq!((slow.class(), session.is_lost()), (Class::Capacity, false));
    session.begin_read_only(AMPLE).await.unwrap();
    assert_eq!(session.read_many(&many, Form::Cast, u64::MAX, AMPLE).await.unwrap().rows.len(), 1000);
    session.rollback(AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT 2").await, "2");
    // what is refused at once costs it, and is said.
    let wrong = statement(&session, "SELECT nothing FROM nowhere");
    let error = session.read_many(&wrong, Form::Cast, 1, AMPLE).await.unwrap_err();
    assert_eq!((error.code(), session.is_lost()), (Some("42P01"), true));
    assert!(matches!(session.read_many(&many, Form::Cast, 1, AMPLE).await, Err(SqlError::Abandoned)));
    assert_eq!(one(&mut open(&url).await, "SELECT 3").await, "3");
}

/// What a type prints by itself is what a cast to text gives, of every type of which that is taken for granted.
#[tokio::test]
async fn values_print_themselves_as_a_cast_prints_them() {
    const VALUES: [(&str, &str); 14] = [
        ("int2", "-32768, 0, 32767"),
        ("int4", "-2147483648, 2147483647"),
        ("int8", "-9223372036854775808, 9223372036854775807"),
        ("numeric", "'NaN', 'Infinity', -0.00, 1e-30, 1e40, 12345678901234567890123456789.0123456789"),
        ("float4", "'NaN', '-Infinity', -0, 1e-45, 3.4028235e38, 0.1"),
        ("float8", "'NaN', 'Infinity', -0, 5e-324, 1.7976931348623157e308, 0.1"),
        ("date", "'-infinity', '0044-03-15 BC', '0001-01-01', '9999-12-31'"),
        ("time", "'00:00', '24:00', '12:34:56.789012'"),
        ("timestamp", "'infinity', '4713-01-01 BC', '2020-02-29 12:00:00.5'"),
        ("uuid", "'00112233-4455-6677-8899-aabbccddeeff'"),
        ("text", "'', 'it''s \\N', E'\\\\N', E'a\\tb\\nc\\rd\\be\\ff\\vg\\\\', '😀 é \u{1}'"),
        ("varchar", "' blanks ', E'\\\\', '\\.'"),
        ("json", "'{\"a\": [1,\t2], \"b\": \"\\u00e9\\\\\"}'"),
        ("jsonb", "'{\"b\": \"\\t\\\\\", \"a\": null}'"),
    ];
    let (mut session, _) = session().await;
    for (of, values) in VALUES {
        let from = format!("(SELECT NULL::{of} UNION ALL SELECT unnest(ARRAY[{values}]::{of}[])) v (x)");
        let cast = statement(&session, &format!("SELECT x::text, 'behind' FROM {from}"));
        let bare = statement(&session, &format!("SELECT x, 'behind' FROM {from}"));
        let expected = session.read_many(&cast, Form::Cast, u64::MAX, AMPLE).await.unwrap();
        let printed = session.read_many(&bare, Form::Printed, u64::MAX, AMPLE).await.unwrap();
        let texts = |page: &Page| -> Vec<Option<Vec<u8>>> {
            (0..page.rows.len()).map(|row| page.rows.cell(row, 0).map(<[u8]>::to_vec)).collect()
        };
        assert_eq!(texts(&printed), texts(&expected), "{of}");
        assert!(
            expected.rows.len() > 1 && (0..printed.rows.len()).all(|row| printed.rows.text(row, 1) == Some("behind"))
        );
    }
}
