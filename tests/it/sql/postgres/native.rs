//! Values in PostgreSQL's own form.

use super::session;
use crate::sql::{AMPLE, execute, one, statement};
use milkrun::sql::Dialect;
use milkrun::sql::bulk::{Column, Rows, Table, Value};
use milkrun::sql::grid::{Form, Grid};
use milkrun::sql::native::Native;
use std::sync::Arc;

/// Rows of one column as they came.
struct Whole(Grid);

impl Rows for Whole {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn value(&self, _row: usize, _column: usize) -> Value<'_> {
        unreachable!("rows in the server's own form are not looked into")
    }

    fn copied(&self, row: usize) -> Option<&[u8]> {
        self.0.span(row, &(0..1))
    }

    fn is_native(&self) -> bool {
        true
    }
}

/// Of a value in the server's own form milkrun makes the text that the server prints, and another table takes it as it is.
#[tokio::test]
async fn values_in_the_servers_own_form_are_printed_as_the_server_prints_them() {
    /// Types, how their values are read as text, some of the values, and SQL of others.
    const VALUES: [(&str, &str, &str, &str); 16] = [
        ("bool", "x::int::text", "true, false", "n % 2 = 0"),
        ("int2", "x::text", "-32768, -1, 0, 9, 10, 32767", "(random() * 65535 - 32768)::int"),
        ("int4", "x::text", "-2147483648, -100, 99, 2147483647", "(random() * 1e6)::int"),
        ("int8", "x::text", "-9223372036854775808, 0, 9223372036854775807", "(random() * 1e18)::int8"),
        (
            "numeric",
            "x::text",
            "'NaN', 'Infinity', '-Infinity', -0.00, 0, 1e-30, -1e40, 1e131071, 12345678901234567890123456789.0123456789, 9999.9999, 10000",
            "round((random() - 0.5)::numeric * power(10::numeric, n % 30 - 10), n % 21)",
        ),
        (
            "numeric(15,2)",
            "x::text",
            "0, -0.01, 9999999999999.99, 10000.00, 100000000",
            "(random() * 1e6)::numeric(15,2)",
        ),
        (
            "date",
            "x::text",
            "'-infinity', 'infinity', '4713-01-01 BC', '0044-03-15 BC', '0001-12-31 BC', '0001-01-01', '9999-12-31', '10000-01-01', '5874897-12-31'",
            "'2000-01-01'::date + (random() * 2000000 - 730000)::int",
        ),
        (
            "time",
            "x::text",
            "'00:00', '24:00', '12:34:56.789', '00:00:00.000001'",
            "time '00:00' + random() * interval '1 day'",
        ),
        (
            "timestamp",
            "x::text",
            "'infinity', '-infinity', '4713-01-01 BC', '0001-12-31 23:59:59.5 BC', '2020-02-29 12:00:00.05', '294276-12-31 23:59:59.999999'",
            "timestamp '2000-01-01' + (random() - 0.5) * interval '3000 years'",
        ),
        (
            "timestamptz",
            "(x AT TIME ZONE 'UTC')::text",
            "'infinity', '-infinity', '1999-12-31 23:59:59.999999+00', '2020-02-29 12:00:00+05:30'",
            "timestamptz '2000-01-01' + (random() - 0.5) * interval '300 years'",
        ),
        (
            "uuid",
            "x::text",
            "'00112233-4455-6677-8899-aabbccddeeff', '00000000-0000-0000-0000-000000000000'",
            "md5(n::text)::uuid",
        ),
        ("text", "x::text", "'', 'it''s \\N', E'a\\tb\\nc', '😀 é \u{1}'", "md5(n::text)"),
        ("char(5)", "textin(bpcharout(x))", "'', 'a', 'é  ', '12345'", "substr(md5(n::text), 1, n % 5)"),
        ("bytea", "x", "'', '\\x00ff', '\\x5c'", "decode(md5(n::text), 'hex')"),
        ("json", "x::text", "'{\"a\": [1,\t2], \"b\": \"\\u00e9\\\\\"}'", "json_build_object('n', n)"),
        ("jsonb", "x::text", "'{\"b\": \"\\t\\\\\", \"a\": null}'", "jsonb_build_array(n)"),
    ];
    let (mut session, _) = session().await;
    for (place, (of, text, values, others)) in VALUES.into_iter().enumerate() {
        let base = if of == "char(5)" { "bpchar" } else { of.split('(').next().unwrap() };
        let forms: Arc<[Native]> = Arc::new([Native::of(base).unwrap()]);
        for table in ["source", "target"] {
            execute(&mut session, &format!("CREATE TABLE {table}{place} (x {of})")).await.unwrap();
        }
        let fill = format!(
            "INSERT INTO source{place} SELECT NULL UNION ALL SELECT unnest(ARRAY[{values}]::{of}[])
             UNION ALL SELECT ({others})::{of} FROM generate_series(1, 2000) n"
        );
        assert!(execute(&mut session, &fill).await.unwrap() > 2000);
        let read = |what: &str| statement(&session, &format!("SELECT {what} FROM source{place} ORDER BY ctid"));
        let (as_text, native) = (read(text), read("x"));
        let expected = session.read_many(&as_text, Form::Cast, u64::MAX, AMPLE).await.unwrap().rows;
        let native = session.read_many(&native, Form::Native(&forms), u64::MAX, AMPLE).await.unwrap().rows;
        assert!(native.is_native() && native.len() == expected.len(), "{of}");
        let printed = native.as_text().unwrap();
        for row in 0..native.len() {
            let expected = expected.cell(row, 0);
            let shown = expected.map(String::from_utf8_lossy);
            assert_eq!(printed.cell(row, 0), expected, "{of} {shown:?}");
            assert_eq!(native.bytes_of(row, &(0..1)), expected.map_or(0, <[u8]>::len) as u64, "{of} {shown:?}");
        }
        let column = Column { name: "x".into(), ..Column::default() };
        let table = Table { dialect: Dialect::Postgres, name: format!("target{place}"), columns: vec![column] };
        let rows: Arc<dyn Rows> = Arc::new(Whole(native));
        session.begin(AMPLE).await.unwrap();
        assert_eq!(session.insert(&table, &rows, AMPLE).await.unwrap(), rows.len() as u64, "{of}");
        session.commit(AMPLE).await.unwrap();
        let differing = format!(
            "SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY ctid) r, x::text FROM source{place}) a
             FULL JOIN (SELECT row_number() OVER (ORDER BY ctid) r, x::text FROM target{place}) b USING (r)
             WHERE a.x IS DISTINCT FROM b.x"
        );
        assert_eq!(one(&mut session, &differing).await, "0", "{of}");
    }
}
