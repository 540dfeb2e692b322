//! A panic is a bug of milkrun, and answered as one: without its text, which may hold anything.

use super::error::CommandError;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

const PANICKED: &str = "milkrun panicked, which is a bug of milkrun: nothing is lost, and the next run goes on; please report it with \
                        the place that the log names";

/// What `work` comes to. If it panics, it is dropped as it stands, as by a kill.
pub(super) async fn caught<T>(
    mut work: impl Future<Output = Result<T, CommandError>> + Unpin,
) -> Result<T, CommandError> {
    poll_fn(|context| {
        // Nothing of it is polled again, so it does not matter what it has left undone.
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut work).poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(CommandError::Internal(PANICKED.to_owned()))))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaks() -> Result<u8, CommandError> {
        panic!("a value of a row");
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_that_says_nothing_of_its_text() {
        let late = async {
            tokio::task::yield_now().await;
            breaks()
        };
        let error = caught(Box::pin(late)).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), ("Internal", PANICKED));
        assert_eq!(caught(Box::pin(async { Ok::<u8, CommandError>(7) })).await.unwrap(), 7);
    }
}
