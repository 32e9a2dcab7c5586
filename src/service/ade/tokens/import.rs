//! Taking a token into service, after everything that could be wrong with it has been looked at. Whatever is refused
//! leaves the one in service, and the pair that waits, where they are.

use super::{AdeTokens, CREDENTIALS, access_with, account_of, trouble};
use crate::{
    error::{Code, Error, Result},
    pki::dep_token::{ServerToken, TokenFileError},
    protocol::time::Timestamp,
    service::{keys::check_name, push_certificates::import::checked_apple_id},
    storage::{
        AdeAccount, AdeDeviceChange, AdeDeviceFilter, AdeDeviceRecord, AdeKeyPair, AdeSyncRecord,
        AdeTokenRecord, AdeTrouble, Page, RowRuling,
    },
};

/// So many devices are changed in one step.
const PAGE: usize = 1000;

/// How a token is imported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Import<'a> {
    /// The Apple Account it was made with (T3). Without one, the former reminder stays.
    pub apple_id: Option<&'a str>,
    /// Whether to take it even if it belongs to another MDM server, or if Apple does not accept it.
    pub force: bool,
}

/// A token that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// What is stored now.
    pub record: AdeTokenRecord,
    /// Whether it replaced another.
    pub renewed: bool,
    /// Whether Apple has accepted it.
    pub verified: bool,
    /// What the operator should look at.
    pub warnings: Vec<String>,
}

/// What Apple says of a token that is about to be stored.
#[derive(Default)]
struct Verdict {
    account: Option<AdeAccount>,
    trouble: Option<AdeTrouble>,
    warning: Option<String>,
}

impl AdeTokens {
    /// Opens a `.p7m` and takes what is in it into service.
    pub async fn import(
        &self,
        name: &str,
        file: &[u8],
        import: Import<'_>,
        now: Timestamp,
    ) -> Result<Imported> {
        let _alone = self.shared.alone.lock().await;
        let record = self.record(name).await?;
        let stored: Vec<&AdeKeyPair> = record.staged.iter().chain(&record.key).collect();
        let pairs: Result<Vec<_>> = stored.iter().map(|pair| self.pair(name, pair)).collect();
        let (used, token) = ServerToken::open(file, &pairs?).map_err(refused)?;
        let pair = stored.get(used).map(|pair| (*pair).clone());
        self.take(record, token, pair, import, now).await
    }

    /// Takes credentials into service that come without their file; the token is made if there is none.
    pub async fn import_credentials(
        &self,
        name: &str,
        json: &[u8],
        import: Import<'_>,
        now: Timestamp,
    ) -> Result<Imported> {
        check_name(name)?;
        let token = ServerToken::from_json(json).map_err(refused)?;
        let _alone = self.shared.alone.lock().await;
        let record = self.find_or_begin(name, now).await?;
        self.take(record, token, None, import, now).await
    }

    /// `pair` is what opened it.
    async fn take(
        &self,
        record: AdeTokenRecord,
        token: ServerToken,
        pair: Option<AdeKeyPair>,
        import: Import<'_>,
        now: Timestamp,
    ) -> Result<Imported> {
        let apple_id = import.apple_id.map(checked_apple_id).transpose()?;
        if token.expires_at <= now {
            let text = format!("on {}", token.expires_at);
            return Err(Error::with(Code::TokenFileExpired, text));
        }
        let verdict = self.ask(&record, &token, import.force, now).await?;
        let is_other = self.check_server(&record, &token, verdict.account.as_ref(), import.force)?;
        if let Some(account) = &verdict.account
            && !import.force
        {
            self.check_only(&record, account).await?;
        }
        let mut warnings: Vec<String> = verdict.warning.into_iter().collect();
        warnings.extend(other_account(&record, apple_id.as_deref()));
        let credentials = self.seal(CREDENTIALS, &record.name, &token.to_json())?;
        let verified = verdict.account.is_some();
        let (read, expires_at) = (record.clone(), token.expires_at);
        let (account, trouble) = (verdict.account, verdict.trouble);
        let rule = move |stored: &AdeTokenRecord| {
            // What was looked at must still be so.
            let same = stored.edition == read.edition && stored.staged == read.staged;
            same.then(|| AdeTokenRecord {
                staged: stored
                    .staged
                    .clone()
                    .filter(|staged| Some(staged) != pair.as_ref()),
                key: pair.clone().or_else(|| stored.key.clone()),
                credentials: Some(credentials.clone()),
                edition: stored.edition + 1,
                expires_at: Some(expires_at),
                apple_id: apple_id.clone().or_else(|| stored.apple_id.clone()),
                account: account
                    .clone()
                    .or_else(|| stored.account.clone().filter(|_| !is_other)),
                trouble: trouble.clone(),
                alerted_at_days: None,
                updated_at: now,
                ..stored.clone()
            })
        };
        let edited = self.edit(&record, Box::new(rule)).await?;
        if edited.edition != record.edition + 1 {
            return Err(Error::with(Code::AdeTokenChanged, &record.name));
        }
        if is_other {
            self.forget_assignments(&edited).await?;
        }
        self.let_sync_go_on(&edited, is_other).await?;
        self.shared.changes.send_modify(|changes| *changes += 1);
        let renewed = record.credentials.is_some();
        tracing::info!(token = edited.name, renewed, verified, %expires_at, "server token stored");
        Ok(Imported {
            record: edited,
            renewed,
            verified,
            warnings,
        })
    }

    /// Asks Apple whether the token works. One that surely does not is refused.
    async fn ask(
        &self,
        record: &AdeTokenRecord,
        token: &ServerToken,
        force: bool,
        now: Timestamp,
    ) -> Result<Verdict> {
        let Some(apple) = &self.apple else {
            return Ok(Verdict {
                warning: Some("the token is not verified: this server does not ask Apple".to_owned()),
                ..Verdict::default()
            });
        };
        match apple.account(&access_with(record, token)).await {
            Ok(answer) => Ok(Verdict {
                account: Some(account_of(&answer)),
                ..Verdict::default()
            }),
            Err(failure) => {
                let named = trouble::of_token(&failure);
                if named.is_some_and(|code| code != Code::TermsNotSigned) && !force {
                    return Err(trouble::error_of(&failure));
                }
                Ok(Verdict {
                    account: None,
                    trouble: named.map(|code| AdeTrouble {
                        code: code.as_str().to_owned(),
                        detail: failure.to_string(),
                        since: now,
                    }),
                    warning: Some(format!("the token is not verified: {failure}")),
                })
            }
        }
    }

    /// Whether it belongs to another MDM server than the former one, which only an operator who insists may bring (T9).
    /// Where Apple does not say, the consumer key tells: it stays the same for one MDM server.
    fn check_server(
        &self,
        record: &AdeTokenRecord,
        token: &ServerToken,
        account: Option<&AdeAccount>,
        force: bool,
    ) -> Result<bool> {
        let present = account.map(|account| account.server_uuid.as_str());
        let former = record
            .account
            .as_ref()
            .map(|account| account.server_uuid.as_str());
        let known = |uuid: &&str| !uuid.is_empty();
        let problem = match (present.filter(known), former.filter(known)) {
            (Some(present), Some(former)) if present != former => {
                Some(format!("its server UUID is {present}, and was {former}"))
            }
            (Some(_), Some(_)) => None,
            _ if record.credentials.is_some() => {
                let before = self.credentials(record)?;
                (before.consumer_key != token.consumer_key).then(|| "mismatched consumer key".to_owned())
            }
            _ => None,
        };
        match problem {
            Some(problem) if !force => Err(Error::with(Code::AdeTokenOtherServer, problem)),
            problem => Ok(problem.is_some()),
        }
    }

    /// Two names for one MDM server would work against each other.
    async fn check_only(&self, record: &AdeTokenRecord, account: &AdeAccount) -> Result<()> {
        let others = self.records().await?;
        let twin = others.iter().find(|other| {
            let uuid = other.account.as_ref().map(|account| &account.server_uuid);
            other.number != record.number
                && !account.server_uuid.is_empty()
                && uuid == Some(&account.server_uuid)
        });
        match twin {
            None => Ok(()),
            Some(twin) => {
                let text = format!("the token {:?} belongs to the same MDM server", twin.name);
                Err(Error::with(Code::AdeTokenOtherServer, text))
            }
        }
    }

    /// A sync need not wait any longer; that of another MDM server begins afresh.
    async fn let_sync_go_on(&self, record: &AdeTokenRecord, is_other: bool) -> Result<()> {
        let rule = move |sync: &AdeSyncRecord| {
            let mut sync = AdeSyncRecord {
                not_before: None,
                failures: 0,
                ..sync.clone()
            };
            if is_other {
                (sync.cursor, sync.cursor_at) = (None, None);
                (sync.in_full, sync.full_wanted) = (false, true);
            }
            Some(sync)
        };
        let change = AdeDeviceChange {
            sync: Some(Box::new(rule)),
            serials: Vec::new(),
            rule: Box::new(|_, _| RowRuling::Keep),
        };
        self.store.change_ade_devices(record.number, change).await?;
        Ok(())
    }

    /// What one MDM server has assigned says nothing of another's devices, even if they are the same.
    async fn forget_assignments(&self, record: &AdeTokenRecord) -> Result<()> {
        let filter = AdeDeviceFilter {
            token: Some(record.number),
            ..AdeDeviceFilter::default()
        };
        let mut page = Page::first(PAGE);
        loop {
            let listing = self.store.ade_devices(&filter, &page).await?;
            let assigned = listing.rows.into_iter().filter(|row| row.assignment.is_some());
            let change = AdeDeviceChange {
                sync: None,
                serials: assigned.map(|row| row.serial).collect(),
                rule: Box::new(|_, stored| match stored {
                    Some(stored) => RowRuling::Put(AdeDeviceRecord {
                        assignment: None,
                        due: None,
                        ..stored.clone()
                    }),
                    None => RowRuling::Keep,
                }),
            };
            if !change.serials.is_empty() {
                self.store.change_ade_devices(record.number, change).await?;
            }
            match listing.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(()),
            }
        }
    }
}

fn refused(error: TokenFileError) -> Error {
    use TokenFileError as Problem;
    let code = match error {
        Problem::Algorithm => Code::TokenFileAlgorithm,
        Problem::Damaged => Code::TokenFileDamaged,
        Problem::Field(_) => Code::TokenFileIncomplete,
        Problem::NoJson => Code::TokenFileNoJson,
        Problem::NotP7m => Code::TokenFileNotP7m,
        Problem::OtherKey => Code::TokenFileOtherKey,
        Problem::TooLarge => Code::TokenFileTooLarge,
    };
    Error::with(code, error)
}

fn other_account(record: &AdeTokenRecord, apple_id: Option<&str>) -> Option<String> {
    let (before, after) = (record.apple_id.as_deref()?, apple_id?);
    (before != after).then(|| {
        format!(
            "the Apple Account noted before was {before}, and now is {after}; enrolled devices do not mind"
        )
    })
}
