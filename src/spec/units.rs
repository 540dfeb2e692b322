//! Durations and sizes as people write them.

use std::time::Duration;

/// `500ms`, `30s`, `10m`, `2h`, `1d`. `None`: not so written, or too long to be held.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// `8 MB`, `512KB`, `1 GB`, `100 B`: 1 KB is 2^10 bytes, 1 MB 2^20, 1 GB 2^30. `None`: not so written, or beyond 64 bits.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// `10%`, `2.5%`, `0.01%`, in hundredths of a percent. `None`: not so written, or finer than that.
pub fn percentage(text: &str) -> Option<u32> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 2 {
        return None;
    }
    let hundredths: u32 = format!("{fraction:0<2}").parse().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(hundredths)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let unit = text.trim_start_matches(|character: char| character.is_ascii_digit());
    let number = text.strip_suffix(unit)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        assert_eq!(duration("10 m"), Some(Duration::from_mins(10)));
        assert_eq!(duration("2h"), Some(Duration::from_hours(2)));
        assert_eq!(duration("1d"), Some(Duration::from_hours(24)));
        for wrong in ["", "s", "1", "1.5s", "-1s", "1 week", "1s ago", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn percentages() {
        for (text, hundredths) in [("10%", 1000), ("0%", 0), ("100 %", 10_000), ("2.5%", 250), ("0.01%", 1)] {
            assert_eq!(percentage(text), Some(hundredths), "{text}");
        }
        for wrong in ["", "10", "%", "ten%", "-1%", "1.%", ".5%", "0.001%", "1,5%", "+1%", "99999999%"] {
            assert_eq!(percentage(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("8 MB"), Some(8 * 1024 * 1024));
        assert_eq!(bytes("512KB"), Some(512 * 1024));
        assert_eq!(bytes("1 GB"), Some(1 << 30));
        assert_eq!(bytes("7 B"), Some(7));
        for wrong in ["", "8", "8 mb", "8 MiB", "8.5 MB", "MB", "99999999999 GB"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
