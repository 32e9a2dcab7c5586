//! The audit log, for whoever has something to enter, to read or to check.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    error::{Error, Result},
    protocol::{ids::Fingerprint, time::Timestamp},
    service::access::{Operator, Scope},
    storage::{
        AuditActor, AuditEntry, AuditFilter, AuditHead, AuditLink, AuditOutcome, AuditRow, Listing, NewAudit,
        Page, Storage,
    },
};

/// So many entries are checked in one step.
pub const SLICE: usize = 20_000;

/// How often the end of the log is written into the server's log, which goes elsewhere.
const ANNOUNCED_EVERY: Duration = Duration::from_secs(3600);

/// The audit log.
#[derive(Clone, Debug)]
pub struct Audit {
    store: Arc<dyn Storage>,
    announced: Arc<Mutex<Option<Timestamp>>>,
}

/// Where a request came from, as the audit log has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Address and port; absent on the local socket.
    pub address: Option<String>,
    /// The request's id.
    pub request: Option<String>,
}

/// Of an operator's request.
pub fn actor(operator: &Operator, scope: Option<Scope>, origin: Origin) -> AuditActor {
    AuditActor {
        operator: operator.name.clone(),
        kind: operator.kind.as_str().to_owned(),
        scope: scope.map(|scope| scope.as_str().to_owned()),
        address: origin.address,
        request: origin.request,
    }
}

/// Of somebody who is no operator (yet), such as a person who tries to sign in as `name`.
pub fn stranger(name: &str, origin: Origin) -> AuditActor {
    AuditActor {
        operator: name.to_owned(),
        kind: "none".to_owned(),
        scope: None,
        address: origin.address,
        request: origin.request,
    }
}

/// Where the chain breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The first entry that is not as it should be.
    pub number: u64,
    /// What is wrong with it, as a sentence's end.
    pub problem: &'static str,
}

/// What a check of a part of the chain has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The latest entry that is as it should be, with its hash.
    pub reached: AuditHead,
    /// The end of the log at that time.
    pub head: AuditHead,
    /// The first broken link, if one was met.
    pub broken: Option<Broken>,
}

impl Verified {
    /// Whether there is more to check.
    pub fn is_over(&self) -> bool {
        self.broken.is_some() || self.reached.number >= self.head.number
    }
}

impl Audit {
    /// The log in this store.
    pub fn new(store: Arc<dyn Storage>) -> Self {
        Self {
            store,
            announced: Arc::default(),
        }
    }

    /// Enters something; durable when it returns. The number is for an entry that tells its outcome later.
    pub async fn record(
        &self,
        actor: AuditActor,
        operation: &str,
        outcome: AuditOutcome,
        targets: Vec<String>,
        details: BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<u64> {
        let entry = NewAudit {
            at: now,
            actor,
            operation: operation.to_owned(),
            outcome,
            of: None,
            targets,
            details,
        };
        self.append(entry).await
    }

    /// The same, of an entry that is ready.
    pub async fn append(&self, entry: NewAudit) -> Result<u64> {
        Ok(self.store.append_audit(entry).await?)
    }

    /// The end of the log.
    pub async fn head(&self) -> Result<AuditHead> {
        Ok(self.store.audit_head().await?)
    }

    /// Writes the end of the log into the server's log once an hour: from there a later edit can be proven.
    pub async fn announce(&self, now: Timestamp) -> Result<()> {
        let due = |last: &Option<Timestamp>| last.is_none_or(|last| now.since(last) >= ANNOUNCED_EVERY);
        let announced = || self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        if !due(&announced()) {
            return Ok(());
        }
        let head = self.head().await?;
        *announced() = Some(now);
        tracing::info!(entries = head.number, head = %format!("{}:{}", head.number, head.hash), "audit log");
        Ok(())
    }

    /// Entries that match. A page may have fewer rows than asked for, and a cursor all the same.
    pub async fn entries(&self, filter: &AuditFilter, page: &Page) -> Result<Listing<AuditRow>> {
        Ok(self.store.audit_entries(filter, page).await?)
    }

    /// Checks the entries after number `after`, at most [`SLICE`] of them. The entry under `after` is taken at its
    /// word: it was checked before, or nobody asked.
    pub async fn verify(&self, after: u64) -> Result<Verified> {
        let head = self.head().await?;
        let mut links = self
            .store
            .audit_links(after.saturating_sub(1), SLICE + usize::from(after > 0))
            .await?
            .into_iter();
        let reached = match after {
            0 => AuditHead::empty(),
            _ => match links.next().and_then(|link| link.stored) {
                Some((hash, _)) => AuditHead { number: after, hash },
                None => {
                    return Err(Error::invalid("after", "names an entry that is not there"));
                }
            },
        };
        Ok(check(reached, links, head))
    }

    /// Whether entry `number` is there and has this hash, as a head that was written down elsewhere says.
    pub async fn pinned(&self, pin: &AuditHead) -> Result<Option<Broken>> {
        if *pin == AuditHead::empty() {
            return Ok(None);
        }
        let links = self.store.audit_links(pin.number.saturating_sub(1), 1).await?;
        let stored = links.into_iter().next().and_then(|link| link.stored);
        let problem = match stored {
            None => "is missing, and was there when its hash was written down",
            Some((hash, _)) if hash == pin.hash => return Ok(None),
            Some(_) => "has another hash than was written down",
        };
        Ok(Some(Broken {
            number: pin.number,
            problem,
        }))
    }
}

/// Follows the chain from `reached` through `links`.
fn check(mut reached: AuditHead, links: impl Iterator<Item = AuditLink>, head: AuditHead) -> Verified {
    let mut broken = None;
    for link in links {
        match follow(&reached, &link) {
            Ok(hash) => {
                reached = AuditHead {
                    number: link.number,
                    hash,
                }
            }
            Err(problem) => {
                let number = link.number;
                broken = Some(Broken { number, problem });
                break;
            }
        }
    }
    if broken.is_none() && reached.number == head.number && reached.hash != head.hash {
        broken = Some(Broken {
            number: head.number,
            problem: "is not the end of the log that the store remembers",
        });
    }
    Verified {
        reached,
        head,
        broken,
    }
}

fn follow(before: &AuditHead, link: &AuditLink) -> std::result::Result<Fingerprint, &'static str> {
    let (hash, bytes) = link.stored.as_ref().ok_or("is missing")?;
    if AuditEntry::hash(bytes) != *hash {
        return Err("was changed: its hash is not that of its content");
    }
    let entry: AuditEntry = serde_json::from_slice(bytes).map_err(|_| "can't be read")?;
    if entry.number != link.number {
        return Err("stands in another's place");
    }
    if entry.previous != before.hash {
        return Err("does not follow the entry before it, one of which was changed");
    }
    Ok(*hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of so many entries.
    fn chain(length: u64) -> (Vec<AuditLink>, AuditHead) {
        let mut head = AuditHead::empty();
        let links = (1..=length).map(|number| {
            let new = NewAudit {
                at: Timestamp::from_seconds(number as i64),
                actor: stranger("ada", Origin::default()),
                operation: "enqueue".into(),
                outcome: AuditOutcome::Done,
                of: None,
                targets: Vec::new(),
                details: BTreeMap::new(),
            };
            let (_, bytes, hash) = AuditEntry::after(&head, &new).unwrap();
            head = AuditHead { number, hash };
            let stored = Some((hash, bytes));
            AuditLink { number, stored }
        });
        let links = links.collect();
        (links, head)
    }

    fn first_broken(links: Vec<AuditLink>, head: AuditHead) -> Option<u64> {
        let verified = check(AuditHead::empty(), links.into_iter(), head);
        verified.broken.map(|broken| broken.number)
    }

    #[test]
    fn k_w8_an_untouched_chain_holds() {
        let (links, head) = chain(20);
        let verified = check(AuditHead::empty(), links.into_iter(), head);
        assert_eq!((verified.reached, verified.broken.clone()), (head, None));
        assert!(verified.is_over());
    }

    #[test]
    fn k_w8_every_change_of_an_entry_is_named_at_its_place() {
        for number in 1..=20_u64 {
            let at = number as usize - 1;
            let (mut links, head) = chain(20);
            links[at].stored.as_mut().unwrap().1[20] ^= 1;
            assert_eq!(first_broken(links, head), Some(number));

            let (mut links, head) = chain(20);
            links[at].stored = None;
            assert_eq!(first_broken(links, head), Some(number));

            // Whoever knows how hashes are made breaks the next link.
            let (mut links, head) = chain(20);
            let (hash, bytes) = links[at].stored.as_mut().unwrap();
            *bytes = String::from_utf8(bytes.clone())
                .unwrap()
                .replace("\"ada\"", "\"eve\"")
                .into();
            *hash = AuditEntry::hash(bytes);
            assert_eq!(first_broken(links, head), Some((number + 1).min(20)));

            let (mut links, head) = chain(20);
            links[at].stored = links[(at + 5) % 20].stored.clone();
            assert_eq!(first_broken(links, head), Some(number));
        }
    }

    #[test]
    fn a_part_of_a_chain_is_checked_from_where_the_last_part_ended() {
        let (links, head) = chain(20);
        let (first, second) = links.split_at(8);
        let verified = check(AuditHead::empty(), first.iter().cloned(), head);
        assert!(!verified.is_over());
        let verified = check(verified.reached, second.iter().cloned(), head);
        assert_eq!((verified.reached, verified.broken), (head, None));
    }
}
