//! The commands, through the real command line: replies, last lines, exit statuses, switches, and what a bare `run` takes.

mod definition;
mod exits;
mod failed;
mod hidden;
mod next;
mod repair;
mod replies;
mod selecting;
mod switches;

use crate::support::shop::Size;

/// Some seventy orders, thirty of them closed.
const SMALL: Size = Size { orders: 70, closed: 30, items: 2, discounts: 1 };

/// So many orders that a run with batches of one is still under way when somebody else has said something.
const LONG: Size = Size { orders: 6000, closed: 3000, items: 0, discounts: 0 };

const ONE_BY_ONE: &str = "settle = \"0s\"\nmax_batch = 1";
