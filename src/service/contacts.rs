//! When each enrollment was last heard of: kept in memory, written down in batches, so that a device which only
//! asks for work costs no disk write.

use std::{collections::HashMap, sync::Mutex};

use crate::{
    protocol::{ids::EnrollmentId, time::Timestamp},
    storage::{EnrollmentStore, StoreResult},
};

/// The contacts since the last batch.
#[derive(Debug, Default)]
pub struct Contacts(Mutex<HashMap<EnrollmentId, Timestamp>>);

impl Contacts {
    /// Notes that `id` was heard of.
    pub fn note(&self, id: &EnrollmentId, at: Timestamp) {
        let mut contacts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match contacts.get_mut(id) {
            Some(last) => *last = at,
            None => drop(contacts.insert(id.clone(), at)),
        }
    }

    /// Writes the batch down. If the store fails the batch is lost: a contact is a hint, and there will be more.
    pub async fn write_down(&self, store: &(impl EnrollmentStore + ?Sized)) -> StoreResult<()> {
        let batch = std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        if batch.is_empty() {
            Ok(())
        } else {
            store.seen(batch.into_iter().collect()).await
        }
    }
}
