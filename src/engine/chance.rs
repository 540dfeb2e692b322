//! Chance: nonces, and the jitter of waits. A port, because a simulation has to be repeatable from its seed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cell::RefCell;

thread_local! {
    static SEEDED: RefCell<Option<StdRng>> = const { RefCell::new(None) };
}

/// From now on everything that is left to chance on this thread follows from `seed`. For simulations alone: nonces have to
/// be unique.
pub fn seed(seed: u64) {
    SEEDED.with_borrow_mut(|seeded| *seeded = Some(StdRng::seed_from_u64(seed)));
}

/// A number from 0 up to, but not including 1.
pub(crate) fn fraction() -> f64 {
    SEEDED.with_borrow_mut(|seeded| seeded.as_mut().map_or_else(rand::random, Rng::random))
}

/// A fresh nonce.
pub fn nonce() -> String {
    let bits: u128 = SEEDED.with_borrow_mut(|seeded| seeded.as_mut().map_or_else(rand::random, Rng::random));
    format!("{bits:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_nothing_else_does() {
        let (a, b) = (nonce(), nonce());
        assert!(a != b && a.len() == 32, "{a} {b}");
        let drawn = || {
            seed(7);
            (nonce(), fraction().to_bits())
        };
        assert_eq!(drawn(), drawn());
    }
}
