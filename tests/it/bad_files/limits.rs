//! Limits and the throttle: numbers, durations and sizes.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "a throttle of nothing",
        &[("[target]", "[throttle]\n[target]")],
        &["throttle: names nothing to ask; write `replica` and `max_lag`, or `query` and `above`"],
    ),
    (
        "a throttle of two things",
        &[("[target]", "[throttle]\nreplica = \"$R\"\nquery = \"SELECT 1\"\n[target]")],
        &["throttle: names a replica and a query; write `replica` and `max_lag`, or `query` and `above`"],
    ),
    (
        "half a throttle",
        &[("[target]", "[throttle]\nreplica = \"REPLICA\"\nmax_lag = \"soon\"\n[target]")],
        &[
            "throttle.replica: is not a database URL; for the environment's variable write `\"$REPLICA\"`",
            "throttle.max_lag: `soon` is not a duration; write `max_lag = \"5s\"`: a whole number with `ms`, `s`, `m`, `h` or `d`",
        ],
    ),
    (
        "a throttle that writes",
        &[("[target]", "[throttle]\nquery = \"DELETE FROM q\"\nabove = \"5\"\n[target]")],
        &[
            "throttle.above: must be a number, not a string; write `above = 100`",
            "throttle.query: is no SELECT; write one SELECT that answers one number, as in `SELECT COUNT(*) FROM job_queue`",
        ],
    ),
    (
        "no shard, and too many lanes",
        &[(r#"batch_time = "1s""#, "shards = 0\nlanes = 65")],
        &["limits.shards: `0` is out of range; write 1 to 1000", "limits.lanes: `65` is out of range; write 1 to 64"],
    ),
    (
        "limits out of range",
        &[(
            r#"batch_time = "1s""#,
            "batch_time = \"0s\"\nmax_batch = 0\nmax_item = \"10 B\"\nlease = \"1h\"\nmax_attempts = -1\nmax_sweeps = 0",
        )],
        &[
            "limits.batch_time: `0s` is out of range; write 1ms to 15m",
            "limits.max_batch: `0` is out of range; write 1 to 1000000",
            "limits.max_item: `10 B` is out of range; write 1 KB to 1 GB",
            "limits.max_attempts: `-1` is out of range; write 1 to 1000",
            "limits.max_sweeps: `0` is out of range; write 1 to 1000",
            "limits.lease: `1h` is out of range; write 1s to 15m",
        ],
    ),
    (
        "limits that are none",
        &[(r#"batch_time = "1s""#, "batch_time = \"soon\"\nmax_item = \"8\"\nsettle = \"1 week\"")],
        &[
            r#"limits.batch_time: `soon` is not a duration; write `batch_time = "1s"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
            r#"limits.max_item: `8` is not a size; write `max_item = "8 MB"`: a whole number with `B`, `KB`, `MB` or `GB`"#,
            r#"limits.settle: `1 week` is not a duration; write `settle = "10s"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
        ],
    ),
    (
        "a number beyond all ranges",
        &[(r#"batch_time = "1s""#, "max_batch = 9223372036854775808")],
        &[
            "line 26, column 13: is a number too large for a file; numbers end at 9223372036854775807; each field's own range is smaller still",
        ],
    ),
    (
        "the largest number",
        &[(r#"batch_time = "1s""#, "max_batch = 9223372036854775807\nitems_per_second = -1")],
        &[
            "limits.max_batch: `9223372036854775807` is out of range; write 1 to 1000000",
            "limits.items_per_second: `-1` is out of range; write 0 to 1000000000",
        ],
    ),
    (
        "durations and sizes as others write them",
        &[(
            r#"batch_time = "1s""#,
            "batch_time = \"1.5h\"\nlease = \"３０s\"\nsettle = \"10 sec\"\nsweep_every = \"\"\nmax_item = \"8 MiB\"\n\
             bytes_per_second = \"1 MB/s\"\nstop_when_failed = \"0.1\"",
        )],
        &[
            r#"limits.batch_time: `1.5h` is not a duration; write `batch_time = "1s"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
            r#"limits.max_item: `8 MiB` is not a size; write `max_item = "8 MB"`: a whole number with `B`, `KB`, `MB` or `GB`"#,
            r#"limits.bytes_per_second: `1 MB/s` is not a size; write `bytes_per_second = "1 MB"`: a whole number with `B`, `KB`, `MB` or `GB`"#,
            r#"limits.stop_when_failed: `0.1` is not a percentage; write `stop_when_failed = "10%"`: a number with at most two digits behind the point and `%`"#,
            r#"limits.settle: `10 sec` is not a duration; write `settle = "10s"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
            r#"limits.sweep_every: is empty; write `sweep_every = "1d"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
            r#"limits.lease: `３０s` is not a duration; write `lease = "30s"`: a whole number with `ms`, `s`, `m`, `h` or `d`"#,
        ],
    ),
];
