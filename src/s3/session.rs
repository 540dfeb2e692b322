//! Sessions that are renewed as soon as a server says that they are over.
//!
//! AWS's SDK renews credentials shortly before their time by its own clock, and not when a server refuses them: a session that has ended
//! by another clock would be sent again and again until then.

use aws_sdk_s3::config::interceptors::InterceptorContext;
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::config::{ConfigBag, IdentityCache, ResolveCachedIdentity, RuntimeComponents, SharedIdentityCache};
use aws_sdk_s3::error::ErrorMetadata;
use aws_smithy_runtime_api::client::identity::{IdentityFuture, SharedIdentityResolver};
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What servers say of a session that is over. <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
const OVER: [&str; 4] = ["ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"];
/// A session that is no older is not the one that is over: requests of the one before it are still being refused.
const YOUNG: Duration = Duration::from_secs(1);

/// The credentials that a client and all its clones sign with, as the SDK keeps them, until a server refuses them as over. Then they are
/// asked for anew, and the request is sent once more.
#[derive(Clone, Debug)]
pub(super) struct Session(Arc<Mutex<Held>>);

#[derive(Debug)]
struct Held {
    cache: SharedIdentityCache,
    renewed: Option<Instant>,
}

impl Default for Session {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Held { cache: IdentityCache::lazy().build(), renewed: None })))
    }
}

impl Session {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self) {
        let mut held = self.held();
        if held.renewed.is_none_or(|at| at.elapsed() >= YOUNG) {
            *held = Held { cache: IdentityCache::lazy().build(), renewed: Some(Instant::now()) };
            drop(held);
            tracing::info!("a session with S3 is over: another one is begun");
        }
    }
}

impl ResolveCachedIdentity for Session {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let cache = self.held().cache.clone();
        IdentityFuture::new(
            async move { cache.resolve_cached_identity(resolver, runtime_components, config_bag).await },
        )
    }
}

impl ClassifyRetry for Session {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if !is_over(context) {
            return RetryAction::NoActionIndicated;
        }
        self.forget();
        RetryAction::client_error()
    }

    fn name(&self) -> &'static str {
        "session is over"
    }
}

/// For a client whose calls are not to be tried again: nothing but a session that is over, which a server tells before it does anything.
#[derive(Debug)]
pub(super) struct Once;

impl ClassifyRetry for Once {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let failed = matches!(context.output_or_error(), Some(Err(_)));
        if failed && !is_over(context) { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "once"
    }
}

/// Whether the server refused a request because its session is over.
fn is_over(context: &InterceptorContext) -> bool {
    let Some(Err(error)) = context.output_or_error() else { return false };
    // An error that no call has a type of its own for carries what was said as its cause.
    let said = error.as_operation_error().and_then(StdError::source);
    let said = said.and_then(|cause| cause.downcast_ref::<ErrorMetadata>());
    said.and_then(ErrorMetadata::code).is_some_and(|code| OVER.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error;
    use aws_smithy_runtime_api::client::interceptors::context::{Error, Input, Output};
    use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;

    fn refused(code: &str) -> InterceptorContext {
        let said = ListObjectsV2Error::generic(ErrorMetadata::builder().code(code).build());
        let mut context = InterceptorContext::new(Input::erase(()));
        context.set_output_or_error(Err(OrchestratorError::operation(Error::erase(said))));
        context
    }

    #[test]
    fn a_session_that_is_over_is_a_reason_to_ask_again_and_to_renew_it_once() {
        let session = Session::default();
        for code in OVER {
            assert!(session.classify_retry(&refused(code)).should_retry(), "{code}");
            assert_eq!(Once.classify_retry(&refused(code)), RetryAction::NoActionIndicated, "{code}");
        }
        let renewed = session.held().renewed;
        assert!(renewed.is_some());
        session.forget();
        assert_eq!(session.held().renewed, renewed, "it is too young to be over");
    }

    #[test]
    fn nothing_else_is() {
        let session = Session::default();
        for code in ["AccessDenied", "SlowDown", "InternalError", "InvalidToken"] {
            assert_eq!(session.classify_retry(&refused(code)), RetryAction::NoActionIndicated, "{code}");
            assert_eq!(Once.classify_retry(&refused(code)), RetryAction::RetryForbidden, "{code}");
        }
        let mut lost = InterceptorContext::new(Input::erase(()));
        lost.set_output_or_error(Err(OrchestratorError::other("no reply")));
        assert_eq!(Once.classify_retry(&lost), RetryAction::RetryForbidden);
        let mut done = InterceptorContext::new(Input::erase(()));
        done.set_output_or_error(Ok(Output::erase(())));
        assert_eq!(Once.classify_retry(&done), RetryAction::NoActionIndicated);
        assert_eq!(session.held().renewed, None);
    }
}
