//! A batch or a read has failed: what the error policy says is done about it.

use super::chance::fraction;
use super::lease::Kept;
use super::migration::Migration;
use super::report::StoppedBy;
use super::run::EngineError;
use super::walk::{Walk, Walked};
use crate::cursor::Cursor;
use crate::fault::{Action, Fault, chain};
use std::time::Duration;

impl<M: Migration> Walk<'_, M> {
    /// Does what the error policy says. `None`: go on.
    pub(super) async fn mend(
        &mut self,
        fault: Fault,
        wide: u64,
        single: Option<Cursor>,
    ) -> Result<Option<Walked>, EngineError> {
        let action = fault.class.action();
        // What milkrun itself is about to mend warns nobody.
        if matches!(action, Action::Retry | Action::Halve | Action::HalveAndWait) {
            tracing::info!(migration = %self.run.migration, class = ?fault.class, keys = wide, "{}", chain(&fault));
        } else {
            tracing::warn!(migration = %self.run.migration, class = ?fault.class, keys = wide, "{}", chain(&fault));
        }
        match action {
            Action::Retry => Ok((!self.wait(self.commit_time).await).then_some(Walked::Failed(fault))),
            Action::Halve | Action::HalveAndWait | Action::Bisect if wide > 1 && single.is_none() => {
                self.cap = Some((wide / 2).max(1));
                let size = wide / 2;
                Ok(self.lease.write(|it| it.tuner.shrink(size), self.run.budget.call()).await.map(
                    |kept| match kept {
                        Kept::Yes => None,
                        Kept::Fenced => Some(Walked::Stopped(StoppedBy::Fence)),
                    },
                )?)
            }
            Action::HalveAndWait => {
                self.locked = true;
                // What is less than a quarter of the run would be too little to find out more.
                let free = self.wait(self.run.budget.total() / 4).await;
                Ok((!free).then_some(Walked::Stopped(StoppedBy::Time)))
            }
            // The statement's time was up before that of a lock, of which some servers count whole seconds.
            Action::Halve if self.locked => Ok(Some(Walked::Stopped(StoppedBy::Time))),
            Action::Halve => self.out_of_time_alone(fault, single).await,
            Action::Bisect => Ok(Some(self.refuse(&fault, single))),
            Action::Pause => Ok(Some(Walked::Paused(StoppedBy::Error, self.explain(&fault, None)))),
            Action::Stop => Ok(Some(Walked::Stopped(StoppedBy::Fence))),
        }
    }

    /// Waits a while, longer each time; false if less than `least` would be left of the run.
    async fn wait(&mut self, least: Duration) -> bool {
        let wait = self.backoff.mul_f64(0.5 + fraction());
        self.backoff = (self.backoff * 2).min(Duration::from_secs(3));
        let enough = self.run.budget.remaining() > wait + least;
        if enough {
            self.run.stop.sleep(wait).await;
        }
        enough
    }

    /// A single item did not get done. At the end of a run that says nothing; with a whole run's time it counts.
    async fn out_of_time_alone(&mut self, fault: Fault, single: Option<Cursor>) -> Result<Option<Walked>, EngineError> {
        if self.run.budget.elapsed() < self.run.budget.total() / 2 && self.lease.checkpoint().timeouts == 0 {
            // Half of the run is left: once more, with nothing else before it.
            return self.count_timeout().await;
        }
        if let Some(walked) = self.count_timeout().await? {
            return Ok(Some(walked));
        }
        if self.lease.checkpoint().timeouts >= self.run.limits.max_attempts {
            return Ok(Some(self.refuse(&fault, single)));
        }
        Ok(Some(Walked::Stopped(StoppedBy::Time)))
    }

    async fn count_timeout(&mut self) -> Result<Option<Walked>, EngineError> {
        let kept = self.lease.write(|it| it.timeouts += 1, self.run.budget.call()).await?;
        Ok((kept == Kept::Fenced).then_some(Walked::Stopped(StoppedBy::Fence)))
    }

    fn refuse(&self, fault: &Fault, single: Option<Cursor>) -> Walked {
        Walked::Paused(StoppedBy::Error, self.explain(fault, single.or(fault.key.clone()).as_ref()))
    }

    /// A fault in words: the item, what went wrong, what to do about it.
    fn explain(&self, fault: &Fault, key: Option<&Cursor>) -> String {
        let which = key.map_or_else(String::new, |key| format!("item {}: ", self.run.show(key)));
        format!("{which}{}; {}", chain(fault), fault.class.hint())
    }
}
