//! Waiting for another program to be ready.

use std::time::Duration;

/// Between two looks.
const BEAT: Duration = Duration::from_millis(100);

/// Looks again and again until there is something to see, for so long at most.
pub(super) async fn until<T>(limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(BEAT).await;
        }
    };
    tokio::time::timeout(limit, looking).await.ok()
}
