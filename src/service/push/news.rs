//! What the scheduler has to tell others.

use crate::protocol::ids::{EnrollmentId, Topic};

/// So much is kept for whoever fetches it; the oldest goes first.
const KEPT: usize = 1000;

/// Something that an operator would want to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushNews {
    /// The machine's clock went back by so many seconds.
    ClockWentBack(u64),
    /// APNs refuses the token of an enrollment, for this reason.
    TokenRefused(EnrollmentId, String),
    /// Nothing goes through for a topic any more, for this reason.
    TopicHeld(Topic, String),
    /// Pushes to a topic go through again.
    TopicReleased(Topic),
}

/// What has not been fetched yet.
#[derive(Debug, Default)]
pub(super) struct News(Vec<PushNews>);

impl News {
    pub(super) fn add(&mut self, news: PushNews) {
        if self.0.len() >= KEPT {
            self.0.remove(0);
        }
        self.0.push(news);
    }

    pub(super) fn take(&mut self) -> Vec<PushNews> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_fetches_does_not_pile_up() {
        let mut news = News::default();
        for second in 0..5000 {
            news.add(PushNews::ClockWentBack(second));
        }
        let taken = news.take();
        assert_eq!((taken.len(), &taken[0]), (KEPT, &PushNews::ClockWentBack(4000)));
        assert!(news.take().is_empty());
    }
}
