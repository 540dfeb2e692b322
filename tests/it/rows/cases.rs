//! Every column type of every database, at its extremes.

/// A column's type, a value as SQL, and the JSON that it becomes.
pub(super) type Case = (&'static str, &'static str, &'static str);

/// MariaDB's types at their extremes.
#[allow(clippy::too_many_lines, reason = "one line a type")]
pub(super) fn mariadb() -> Vec<Case> {
    vec![
        ("TINYINT(1)", "1", "1"),
        ("TINYINT", "-128", "-128"),
        ("SMALLINT UNSIGNED", "65535", "65535"),
        ("MEDIUMINT", "-8388608", "-8388608"),
        ("INT UNSIGNED", "4294967295", "4294967295"),
        ("INT(8) ZEROFILL", "42", "42"),
        ("BIGINT", "-9223372036854775808", "-9223372036854775808"),
        ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
        ("BIGINT UNSIGNED ZEROFILL", "0", "0"),
        ("BIGINT UNSIGNED", "0", "0"),
        ("YEAR", "2155", "2155"),
        ("YEAR", "0", "0"),
        ("BIT(1)", "b'1'", "1"),
        ("BIT(64)", "0xffffffffffffffff", "18446744073709551615"),
        ("BIT(7)", "b'0'", "0"),
        ("FLOAT", "16777215", "16777215"),
        ("FLOAT", "-3.4028234663852886e38", "-3.4028234663852886e38"),
        ("FLOAT", "0.1", "0.10000000149011612"),
        ("DOUBLE", "-1.7976931348623157e308", "-1.7976931348623157e308"),
        ("DOUBLE", "2.2250738585072014e-308", "2.2250738585072014e-308"),
        ("DOUBLE", "0.1e0 + 0.2e0", "0.30000000000000004"),
        ("DOUBLE", "9007199254740993", "9.007199254740992e15"),
        ("DOUBLE ZEROFILL", "1.5", "1.5"),
        ("DOUBLE(10,2)", "1.5", "1.5"),
        (
            "DECIMAL(65,30)",
            "-99999999999999999999999999999999999.999999999999999999999999999999",
            "\"-99999999999999999999999999999999999.999999999999999999999999999999\"",
        ),
        (
            "DECIMAL(65,0)",
            "99999999999999999999999999999999999999999999999999999999999999999",
            "\"99999999999999999999999999999999999999999999999999999999999999999\"",
        ),
        ("DECIMAL(10,2)", "0", "\"0.00\""),
        ("DATE", "'9999-12-31'", "\"9999-12-31\""),
        ("DATE", "'0000-00-00'", "\"0000-00-00\""),
        ("TIME", "'23:59:59'", "\"23:59:59\""),
        ("TIME(6)", "'-838:59:59.999999'", "\"-838:59:59.999999\""),
        ("TIME(3)", "'00:00:00.120'", "\"00:00:00.120\""),
        ("DATETIME", "'9999-12-31 23:59:59'", "\"9999-12-31T23:59:59\""),
        ("DATETIME(6)", "'2020-02-29 12:34:56.000001'", "\"2020-02-29T12:34:56.000001\""),
        ("DATETIME(3)", "'2020-02-29 12:34:56'", "\"2020-02-29T12:34:56.000\""),
        ("DATETIME", "'0000-00-00 00:00:00'", "\"0000-00-00 00:00:00\""),
        ("DATETIME(2)", "'2020-00-00 01:02:03'", "\"2020-00-00 01:02:03.00\""),
        ("TIMESTAMP(6)", "'2038-01-19 03:14:07.999999'", "\"2038-01-19T03:14:07.999999Z\""),
        ("TIMESTAMP", "'1970-01-01 00:00:01'", "\"1970-01-01T00:00:01Z\""),
        ("TIMESTAMP", "'0000-00-00 00:00:00'", "\"0000-00-00 00:00:00\""),
        ("CHAR(5)", "'ab'", "\"ab\""),
        (
            "VARCHAR(200)",
            "CONCAT('q\"b\\\\s/', CHAR(0,1,8,9,10,12,13,27,31,127))",
            "\"q\\\"b\\\\s/\\u0000\\u0001\\b\\t\\n\\f\\r\\u001B\\u001F\u{7f}\"",
        ),
        ("TEXT", "'é ß \u{2028} \u{ffff} 😀 \u{10ffff} \u{e000}'", "\"é ß \u{2028} \u{ffff} 😀 \u{10ffff} \u{e000}\""),
        ("VARCHAR(20) CHARACTER SET latin1", "'é\"ÿ'", "\"é\\\"ÿ\""),
        ("VARCHAR(20) CHARACTER SET latin2 COLLATE latin2_czech_cs", "'ř'", "\"ř\""),
        ("VARCHAR(20) CHARACTER SET utf8mb3", "'€'", "\"€\""),
        ("VARCHAR(20) CHARACTER SET utf16", "'é😀'", "\"é😀\""),
        ("VARCHAR(20) CHARACTER SET sjis", "'日本'", "\"日本\""),
        (
            "LONGTEXT COLLATE utf8mb4_bin",
            "REPEAT('x', 70000)",
            Box::leak(format!("\"{}\"", "x".repeat(70000)).into_boxed_str()),
        ),
        ("VARCHAR(5)", "''", "\"\""),
        ("ENUM('a','b\"c')", "'b\"c'", "\"b\\\"c\""),
        ("SET('x','y\"z')", "'x,y\"z'", "\"x,y\\\"z\""),
        ("UUID", "'123e4567-e89b-12d3-a456-426614174000'", "\"123e4567-e89b-12d3-a456-426614174000\""),
        ("INET6", "'::ffff:192.0.2.1'", "\"::ffff:192.0.2.1\""),
        ("INET4", "'192.0.2.1'", "\"192.0.2.1\""),
        ("BINARY(4)", "x'0001'", "\"AAEAAA==\""),
        ("VARBINARY(10)", "x''", "\"\""),
        ("BLOB", "REPEAT(x'00ff', 60)", long_base64()),
        ("LONGBLOB", "x'00'", "\"AA==\""),
        (
            "JSON",
            "'{\"b\": [1, {\"a\": null}], \"a\": 12345678901234567890.10}'",
            "{\"b\": [1, {\"a\": null}], \"a\": 12345678901234567890.10}",
        ),
        ("JSON", "'null'", "null"),
        ("LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "'{\"a\": 1}'", "\"{\\\"a\\\": 1}\""),
        ("POINT", "ST_GeomFromText('POINT(1 2.5)')", "\"POINT(1 2.5)\""),
    ]
}

/// PostgreSQL's.
#[allow(clippy::too_many_lines, reason = "one line a type")]
pub(super) fn postgres() -> Vec<Case> {
    vec![
        ("smallint", "-32768", "-32768"),
        ("integer", "2147483647", "2147483647"),
        ("bigint", "-9223372036854775808", "-9223372036854775808"),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("real", "0.1", "0.1"),
        ("real", "'NaN'", "\"NaN\""),
        ("real", "3.4028235e38", "3.4028235e+38"),
        ("double precision", "0.1::float8 + 0.2::float8", "0.30000000000000004"),
        ("double precision", "'-Infinity'", "\"-Infinity\""),
        ("double precision", "'Infinity'", "\"Infinity\""),
        ("double precision", "1.7976931348623157e308", "1.7976931348623157e+308"),
        ("double precision", "5e-324", "5e-324"),
        (
            "numeric",
            "12345678901234567890123456789012345678901234567890123456789012345.123",
            "\"12345678901234567890123456789012345678901234567890123456789012345.123\"",
        ),
        ("numeric(10,2)", "1", "\"1.00\""),
        ("numeric", "'NaN'", "\"NaN\""),
        ("cents", "5", "\"5.00\""),
        ("boolean", "true", "true"),
        ("boolean", "false", "false"),
        ("date", "'9999-12-31'", "\"9999-12-31\""),
        ("date", "'infinity'", "\"infinity\""),
        ("date", "'0044-03-15 BC'", "\"0044-03-15 BC\""),
        ("time", "'12:34:56'", "\"12:34:56.000000\""),
        ("time(3)", "'24:00:00'", "\"24:00:00.000\""),
        ("time(0)", "'00:00:00'", "\"00:00:00\""),
        ("timetz", "'12:34:56+02'", "\"12:34:56+02\""),
        ("timestamp", "'2020-02-29 12:34:56.000001'", "\"2020-02-29T12:34:56.000001\""),
        ("timestamp", "'9999-12-31 23:59:59'", "\"9999-12-31T23:59:59.000000\""),
        ("timestamp(3)", "'2020-02-29 12:34:56.1'", "\"2020-02-29T12:34:56.100\""),
        ("timestamp(0)", "'2020-02-29 12:34:56'", "\"2020-02-29T12:34:56\""),
        ("timestamp", "'infinity'", "\"infinity\""),
        ("timestamp", "'-infinity'", "\"-infinity\""),
        ("timestamp", "'0044-03-15 12:00:00 BC'", "\"0044-03-15 12:00:00 BC\""),
        ("timestamp", "'0001-01-01 00:00:00'", "\"0001-01-01T00:00:00.000000\""),
        ("timestamp", "'12345-01-02 03:04:05'", "\"12345-01-02T03:04:05.000000\""),
        ("stamp", "'2020-02-29 12:34:56.1'", "\"2020-02-29T12:34:56.10\""),
        ("timestamptz", "'2020-02-29 12:34:56.5+02'", "\"2020-02-29T10:34:56.500000Z\""),
        ("timestamptz(0)", "'2020-02-29 12:34:56+00'", "\"2020-02-29T12:34:56Z\""),
        ("timestamptz", "'-infinity'", "\"-infinity\""),
        ("interval", "'1 year 2 mons -3 days 04:05:06.7'", "\"1 year 2 mons -3 days +04:05:06.7\""),
        ("char(5)", "'ab'", "\"ab   \""),
        ("bpchar", "'ab  '", "\"ab  \""),
        (
            "varchar(50)",
            "'q\"b\\s/' || chr(1) || chr(9) || chr(10) || chr(31) || chr(127)",
            "\"q\\\"b\\\\s/\\u0001\\t\\n\\u001f\u{7f}\"",
        ),
        ("text", "'é ß \u{2028} \u{ffff} 😀 \u{10ffff}'", "\"é ß \u{2028} \u{ffff} 😀 \u{10ffff}\""),
        ("text", "''", "\"\""),
        ("citext", "'AbC'", "\"AbC\""),
        ("name", "'n'", "\"n\""),
        ("bytea", "decode(repeat('00ff', 60), 'hex')", long_base64()),
        ("bytea", "''", "\"\""),
        ("json", "'{\"b\": 1.10,  \"a\": [null]}'", "{\"b\": 1.10,  \"a\": [null]}"),
        ("jsonb", "'{\"b\": 12345678901234567890.10, \"a\": \"x\"}'", "{\"a\": \"x\", \"b\": 12345678901234567890.10}"),
        ("jsonb", "'null'", "null"),
        ("uuid", "'123e4567-e89b-12d3-a456-426614174000'", "\"123e4567-e89b-12d3-a456-426614174000\""),
        ("mood", "'ha\"ppy'", "\"ha\\\"ppy\""),
        ("pair", "ROW(1, 'x y')", "\"(1,\\\"x y\\\")\""),
        ("money", "12.5", "\"$12.50\""),
        ("inet", "'192.0.2.1'", "\"192.0.2.1\""),
        ("cidr", "'192.0.2.0/24'", "\"192.0.2.0/24\""),
        ("macaddr", "'08:00:2b:01:02:03'", "\"08:00:2b:01:02:03\""),
        ("bit(4)", "B'0101'", "\"0101\""),
        ("int4range", "'[1,5)'", "\"[1,5)\""),
        ("tstzrange", "'[2020-01-01 00:00:00+00,)'", "\"[\\\"2020-01-01 00:00:00+00\\\",)\""),
        ("tsvector", "'a b'", "\"'a' 'b'\""),
        ("point", "'(1,2.5)'", "\"(1,2.5)\""),
        ("xml", "'<a/>'", "\"<a/>\""),
        ("integer[]", "'{1,NULL,3}'", "[1,null,3]"),
        ("integer[]", "'{}'", "[]"),
        ("integer[][]", "'{{1,2},{3,4}}'", "[[1,2],[3,4]]"),
        ("text[]", "ARRAY['a\"b', NULL, '']", "[\"a\\\"b\",null,\"\"]"),
        ("boolean[]", "'{t,f}'", "[true,false]"),
        ("numeric[]", "'{1.10,NULL,NaN}'", "[\"1.10\",null,\"NaN\"]"),
        ("numeric[]", "'{{1.0},{2.00}}'", "[[\"1.0\"],[\"2.00\"]]"),
        ("float8[]", "'{1.5,NaN}'", "[1.5,\"NaN\"]"),
        ("timestamp(3)[]", "'{2020-01-01 00:00:00,NULL,infinity}'", "[\"2020-01-01T00:00:00.000\",null,\"infinity\"]"),
        (
            "timestamptz[]",
            "'{{2020-01-01 00:00:00+01},{2020-01-01 00:00:00+00}}'",
            "[[\"2019-12-31T23:00:00.000000Z\"],[\"2020-01-01T00:00:00.000000Z\"]]",
        ),
        (
            "timestamp[][][]",
            "'{{{2020-01-01,2020-01-02},{2020-01-03,2020-01-04}}}'",
            "[[[\"2020-01-01T00:00:00.000000\",\"2020-01-02T00:00:00.000000\"],[\"2020-01-03T00:00:00.000000\",\"2020-01-04T00:00:00.000000\"]]]",
        ),
        ("timestamp[]", "'{}'", "[]"),
        ("pos[]", "'{1,NULL,3}'", "[1,null,3]"),
        ("small_pos[]", "'{{1},{2}}'", "[[1],[2]]"),
        ("pos_list", "'{1,2}'", "[1,2]"),
        ("cents[]", "'{1,NULL}'", "[\"1.00\",null]"),
        ("stamp[]", "'{2020-01-01,NULL}'", "[\"2020-01-01T00:00:00.00\",null]"),
        ("late_stamp[]", "'{2020-01-01}'", "[\"2020-01-01T00:00:00.00\"]"),
        ("stamps", "'{2020-01-01}'", "[\"2020-01-01T00:00:00.0\"]"),
        ("raw[]", "ARRAY['\\x00ff'::bytea, NULL]", "[\"AP8=\",null]"),
        ("doc[]", "ARRAY['{\"a\": 1}'::jsonb, NULL]", "[{\"a\": 1},null]"),
        ("said[]", "ARRAY['a\"b', NULL]", "[\"a\\\"b\",null]"),
        ("bytea[]", "ARRAY['\\x00ff'::bytea, NULL]", "[\"AP8=\",null]"),
        ("jsonb[]", "ARRAY['{\"a\": 1}'::jsonb, NULL]", "[{\"a\": 1},null]"),
        ("date[]", "'{2020-01-01}'", "[\"2020-01-01\"]"),
        ("uuid[]", "'{123e4567-e89b-12d3-a456-426614174000}'", "[\"123e4567-e89b-12d3-a456-426614174000\"]"),
        ("mood[]", "'{sad}'", "[\"sad\"]"),
        ("pair[]", "ARRAY[ROW(1,'x')::pair]", "[\"(1,x)\"]"),
        ("char(3)[]", "'{a}'", "[\"a  \"]"),
        ("integer[]", "'[5:6]={1,2}'", "[1,2]"),
    ]
}

/// SQLite's values.
#[allow(clippy::too_many_lines, reason = "one line a type")]
pub(super) fn sqlite() -> Vec<Case> {
    vec![
        ("INTEGER", "-9223372036854775808", "-9223372036854775808"),
        ("INTEGER", "9223372036854775807", "9223372036854775807"),
        ("REAL", "0.1 + 0.2", "0.30000000000000004"),
        ("REAL", "1e999", "\"Infinity\""),
        ("REAL", "-1e999", "\"-Infinity\""),
        ("REAL", "1.7976931348623157e308", "1.7976931348623157e308"),
        (
            "TEXT",
            "'q\"b\\s/' || char(0,1,8,9,10,12,13,27,31)",
            "\"q\\\"b\\\\s/\\u0000\\u0001\\b\\t\\n\\f\\r\\u001b\\u001f\"",
        ),
        ("TEXT", "'é \u{2028} \u{ffff} 😀 \u{10ffff}'", "\"é \u{2028} \u{ffff} 😀 \u{10ffff}\""),
        ("BLOB", "x'00ff'", "\"AP8=\""),
        ("BLOB", "'text'", "\"text\""),
        ("", "5", "5"),
        ("DATETIME", "'2020-01-01 00:00:00'", "\"2020-01-01 00:00:00\""),
        ("DECIMAL(10,2)", "1.10", "1.1"),
        ("BOOLEAN", "1", "1"),
    ]
}

/// The types of the user's own that PostgreSQL's cases name.
pub(super) const POSTGRES_TYPES: &str = "CREATE TYPE mood AS ENUM ('sad', 'ha\"ppy'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN cents AS numeric(10,2); \
         CREATE DOMAIN stamp AS timestamp(2); CREATE DOMAIN pos AS int CHECK (value > 0); CREATE DOMAIN small_pos AS pos; \
         CREATE DOMAIN raw AS bytea; CREATE DOMAIN late_stamp AS stamp; CREATE DOMAIN pos_list AS pos[]; CREATE DOMAIN doc AS jsonb; \
         CREATE DOMAIN said AS text; CREATE DOMAIN stamps AS timestamp(1)[]; CREATE EXTENSION IF NOT EXISTS citext";

/// A CHECK stands after NULL or NOT NULL.
pub(super) fn column(kind: &str, null: &str) -> String {
    match kind.split_once(" CHECK") {
        Some((kind, check)) => format!("{kind}{null} CHECK{check}"),
        None => format!("{kind}{null}"),
    }
}

/// 120 bytes, more than a line of MIME.
fn long_base64() -> &'static str {
    Box::leak(format!("\"{}\"", "AP8A/wD/".repeat(20)).into_boxed_str())
}
