//! HTTP, by a client that cannot be turned against its owner. Nothing here knows a migration.
//!
//! Whoever writes a row chooses the URLs in it. So [`Guard`] says what may be contacted at all, at every hop of a redirect and for
//! every address that a name resolves to; [`connect`](connect) connects to the very address that was checked; [`Fetcher`] follows
//! redirects itself; [`Body`] measures what arrives. [`Poster`] knows an address that comes of no row.

mod address;
mod body;
mod connect;
mod error;
mod fetch;
mod guard;
mod post;
mod roots;

pub use body::Body;
pub use connect::{Names, SystemNames};
pub use error::HttpError;
pub use fetch::{Answer, Fetcher, Limits, Resume};
pub use guard::{Guard, GuardError};
pub use post::Poster;
