//! A share of what a verification looks at. Whoever goes on with it chooses alike, and the next verification otherwise.

use super::chance;
use crate::digest;
use serde::{Deserialize, Serialize};
use std::fmt;

/// All there is, in hundredths of a percent.
pub const WHOLE: u32 = 10_000;

/// Which of many things are looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// About how many, in hundredths of a percent.
    share: u32,
    /// What tells the choice of one verification from that of another.
    seed: String,
}

impl Sample {
    /// One that nobody has chosen before.
    pub fn new(share: u32) -> Self {
        Self { share, seed: chance::nonce() }
    }

    /// About how many it takes, in hundredths of a percent.
    pub fn share(&self) -> u32 {
        self.share
    }

    /// Whether it takes what has this name.
    pub fn takes(&self, name: &str) -> bool {
        let digest = digest::sha256(format!("{} {name}", self.seed));
        let number = digest.get(..15).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        number.is_some_and(|number| number % u64::from(WHOLE) < u64::from(self.share))
    }
}

/// The share as it is written: `1%`, `0.25%`.
impl fmt::Display for Sample {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = format!("{}.{:02}", self.share / 100, self.share % 100);
        write!(formatter, "{}%", number.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_about_its_share_always_the_same_and_others_the_next_time() {
        let taken = |share: u32, seed: &str| -> Vec<u32> {
            let sample = Sample { share, seed: seed.to_owned() };
            (0..10_000).filter(|number| sample.takes(&format!("[\"{number}\"]"))).collect()
        };
        for (share, least, most) in [(1, 0, 20), (100, 50, 150), (2_500, 2_200, 2_800), (WHOLE, 10_000, 10_000)] {
            let count = taken(share, "a").len();
            assert!((least..=most).contains(&count), "{share}: {count}");
        }
        assert_eq!(taken(100, "a"), taken(100, "a"));
        assert_ne!(taken(100, "a"), taken(100, "b"));
        assert_ne!(Sample::new(100), Sample::new(100));
    }

    #[test]
    fn a_share_is_written_as_people_write_it() {
        for (share, text) in [(1, "0.01%"), (25, "0.25%"), (50, "0.5%"), (100, "1%"), (1_000, "10%"), (WHOLE, "100%")] {
            assert_eq!(Sample { share, seed: String::new() }.to_string(), text);
        }
    }
}
