//! The outbox of pushes: who has to be woken, written down in the same step as what there is to fetch.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{EnrollmentState, Listing, Page, PushInfo, StoreResult};
use crate::protocol::{ids::EnrollmentId, time::Timestamp};

/// An enrollment that has to be woken. Stays until its queue has been seen empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeRecord {
    /// From when on there is something to fetch.
    pub due: Timestamp,
    /// When APNs last took a push for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_at: Option<Timestamp>,
    /// How many it has taken since something was last queued.
    #[serde(default)]
    pub pushes: u32,
}

/// Why a device token is not pushed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRefusal {
    /// APNs' word for it.
    pub reason: String,
    /// When APNs said so.
    pub at: Timestamp,
}

/// What an enrollment's queue holds for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Something to fetch now (also if it was answered `NotNow`).
    Due,
    /// Nothing before this time.
    Later(Timestamp),
    /// Nothing.
    Nothing,
}

/// All that a push needs to know of an enrollment.
#[derive(Clone, Debug)]
pub struct PushTarget {
    /// Where it stands.
    pub state: EnrollmentState,
    /// Where to wake it, once it has said.
    pub push: Option<PushInfo>,
    /// Why it should be woken.
    pub work: Work,
}

/// The outbox. [`CommandStore::enqueue`](super::CommandStore::enqueue) puts in; the rest is here.
#[async_trait]
pub trait PushStore: Send + Sync {
    /// The outbox, by enrollment id (bytes).
    async fn wakes(&self, page: &Page) -> StoreResult<Listing<(EnrollmentId, WakeRecord)>>;

    /// What a push needs; `None`: no such enrollment. On the path of every push.
    async fn push_target(&self, id: &EnrollmentId, now: Timestamp) -> StoreResult<Option<PushTarget>>;

    /// Takes down that APNs took these pushes. Whoever is in the outbox no more is passed over.
    async fn note_pushes(&self, pushes: Vec<(EnrollmentId, Timestamp)>) -> StoreResult<()>;

    /// Takes those out of the outbox that have nothing to fetch, now or later. What is left for the others comes back.
    async fn settle_wakes(
        &self,
        ids: Vec<EnrollmentId>,
        now: Timestamp,
    ) -> StoreResult<Vec<(EnrollmentId, Work)>>;

    /// Marks a device token as refused, or (`None`) as good again. `false`, and nothing is done, if the enrollment has
    /// another token by now.
    async fn mark_token(
        &self,
        id: &EnrollmentId,
        token: &[u8],
        refusal: Option<TokenRefusal>,
    ) -> StoreResult<bool>;
}
