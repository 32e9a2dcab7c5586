//! How many requests may be in flight on one connection: as many as the peer takes streams, which it may change at
//! any time (RFC 9113 §5.1.2), and no more than our own bound. The rest wait here, in their order, unsent.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// A queue for the slots of a connection.
#[derive(Debug)]
pub(super) struct Gate {
    slots: Semaphore,
    /// Slots there are, taken or free.
    granted: Mutex<usize>,
}

/// The right to have one request in flight.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    gate: &'a Gate,
    permit: Option<SemaphorePermit<'a>>,
}

impl Gate {
    pub(super) fn new(limit: usize) -> Self {
        // Without a slot nothing would ever return one, and nobody would learn of a new limit.
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            slots: Semaphore::new(limit),
            granted: Mutex::new(limit),
        }
    }

    /// Follows the limit. A lower one takes effect as slots return.
    pub(super) fn set_limit(&self, limit: usize) {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        if limit > *granted {
            self.slots.add_permits(limit - *granted);
            *granted = limit;
        } else if limit < *granted {
            *granted -= self.slots.forget_permits(*granted - limit);
        }
    }

    /// Waits for a slot. `None` once the gate is closed.
    pub(super) async fn enter(&self) -> Option<Slot<'_>> {
        let permit = self.slots.acquire().await.ok()?;
        Some(Slot {
            gate: self,
            permit: Some(permit),
        })
    }

    /// Lets nobody in any more, and sends those who wait away.
    pub(super) fn close(&self) {
        self.slots.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.slots.is_closed()
    }
}

impl Slot<'_> {
    /// Gives the slot back under the limit as it is now: to the next in the queue, or to nobody.
    pub(super) fn leave(mut self, limit: usize) {
        self.gate.set_limit(limit);
        let mut granted = self.gate.granted.lock().unwrap_or_else(PoisonError::into_inner);
        if *granted > limit.max(1)
            && let Some(permit) = self.permit.take()
        {
            permit.forget();
            *granted -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, task::Poll};

    use super::*;

    /// How many of `count` callers are let in at once.
    async fn let_in(gate: &Gate, count: usize) -> Vec<Slot<'_>> {
        let mut slots = Vec::new();
        for _ in 0..count {
            let mut entering = pin!(gate.enter());
            let polled = poll_fn(|cx| Poll::Ready(entering.as_mut().poll(cx))).await;
            if let Poll::Ready(slot) = polled {
                slots.extend(slot);
            }
        }
        slots
    }

    #[tokio::test]
    async fn a_raised_limit_lets_more_in() {
        let gate = Gate::new(2);
        let held = let_in(&gate, 5).await;
        assert_eq!(held.len(), 2);
        gate.set_limit(4);
        assert_eq!(let_in(&gate, 5).await.len(), 2);
        drop(held);
        assert_eq!(let_in(&gate, 9).await.len(), 4);
    }

    #[tokio::test]
    async fn a_lowered_limit_takes_effect_as_slots_return_even_while_others_wait() {
        let gate = Gate::new(4);
        let mut held = let_in(&gate, 4).await;
        let mut waiting = pin!(gate.enter());
        let polled = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_ready())).await;
        assert!(!polled);
        for _ in 0..3 {
            held.pop().unwrap().leave(1);
        }
        let polled = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_ready())).await;
        assert!(!polled, "one is still in flight, and one is the limit");
        held.pop().unwrap().leave(1);
        assert!(waiting.await.is_some());
        assert_eq!(let_in(&gate, 3).await.len(), 1);
    }

    #[tokio::test]
    async fn a_limit_of_zero_keeps_one_slot_that_can_learn_of_a_new_limit() {
        let gate = Gate::new(3);
        gate.set_limit(0);
        let held = let_in(&gate, 3).await;
        assert_eq!(held.len(), 1);
        for slot in held {
            slot.leave(2);
        }
        assert_eq!(let_in(&gate, 3).await.len(), 2);
    }

    #[tokio::test]
    async fn a_closed_gate_sends_those_who_wait_away() {
        let gate = Gate::new(1);
        let _held = let_in(&gate, 1).await;
        let mut waiting = pin!(gate.enter());
        let polled = poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_ready())).await;
        assert!(!polled);
        gate.close();
        assert!(waiting.await.is_none() && gate.is_closed());
    }
}
