//! Automated Device Enrollment: server tokens, what Apple says of their devices, and enrollment profiles.
//!
//! A token, a profile and a device change through a pure function of what is stored ([`AdeTokenRule`],
//! [`AdeProfileRule`], [`AdeDeviceRule`]) that the backend calls inside its transaction, possibly more than once: no
//! change is lost between a look and a write, and the rules stay with the services.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Listing, Page, Sealed, StoreResult};
pub use crate::protocol::ade::AdePlatform;
use crate::protocol::{ids::SerialNumber, time::Timestamp};

/// A key pair whose certificate Apple encrypts a server token to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdeKeyPair {
    /// The self-signed certificate, DER.
    #[serde(with = "super::records::base64_bytes")]
    pub certificate: Vec<u8>,
    /// The private key (PKCS #8).
    pub key: Sealed,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What Apple says of the account a token belongs to (`GET /account`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdeAccount {
    /// The name of the MDM server in the portal.
    pub server_name: String,
    /// Names the MDM server for good; a renewed token has the same.
    pub server_uuid: String,
    /// The Apple Account that made the token.
    pub admin_id: String,
    /// The organisation's name.
    pub org_name: String,
    /// The organisation's e-mail address.
    pub org_email: String,
    /// The organisation's telephone number.
    pub org_phone: String,
    /// The organisation's address.
    pub org_address: String,
    /// The organisation's identifier.
    pub org_id: String,
    /// SHA-256 of it, in hexadecimal.
    pub org_id_hash: String,
    /// `org` or `edu`.
    pub org_type: String,
    /// `v1` or `v2`.
    pub org_version: String,
    /// The most entries that each endpoint takes or gives in one call, by its path.
    pub limits: BTreeMap<String, u32>,
}

/// Why Apple does not serve a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdeTrouble {
    /// The failure's name: a code of the error table.
    pub code: String,
    /// What Apple said, without secrets.
    pub detail: String,
    /// When it was seen first.
    pub since: Timestamp,
}

/// A server token: the link to one MDM server in Apple Business Manager or Apple School Manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdeTokenRecord {
    /// Names its devices and profiles. Given by the store, and never used again for another token.
    pub number: u64,
    /// Unique; the operator's name for it (NanoDEP calls it the DEP name).
    pub name: String,
    /// The pair that the present token was encrypted to; signs `com.apple.maid` JWTs.
    #[serde(default)]
    pub key: Option<AdeKeyPair>,
    /// The pair that waits for its token.
    #[serde(default)]
    pub staged: Option<AdeKeyPair>,
    /// The token's OAuth 1.0a credentials, as the JSON that Apple wrote.
    #[serde(default)]
    pub credentials: Option<Sealed>,
    /// Grows by one with each new token: tells whoever uses the credentials that they have changed.
    #[serde(default)]
    pub edition: u64,
    /// Until when the token is valid.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// The operator's note: whose Apple ID made the token.
    #[serde(default)]
    pub apple_id: Option<String>,
    /// What Apple says of the account; absent until it was asked.
    #[serde(default)]
    pub account: Option<AdeAccount>,
    /// Where Apple's service is for this token, when it is not at the configured place.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The profile, by name, that a device gets which has none.
    #[serde(default)]
    pub defaults: BTreeMap<AdePlatform, String>,
    /// The Apple identifier of the profile that every added device gets, whatever its platform (NanoDEP's assigner).
    #[serde(default)]
    pub assigner_profile_uuid: Option<String>,
    /// Whether it is meant where no token is named.
    #[serde(default)]
    pub is_default: bool,
    /// What is wrong with it now.
    #[serde(default)]
    pub trouble: Option<AdeTrouble>,
    /// Who may see it and its devices.
    #[serde(default)]
    pub scope_tags: Vec<String>,
    /// The days-left mark (30, 14, 7, 1, 0) whose expiry alert was sent last.
    #[serde(default)]
    pub alerted_at_days: Option<i64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl AdeTokenRecord {
    /// A token of which nothing is known but its name; its number is the store's to give.
    pub fn new(name: &str, at: Timestamp) -> Self {
        Self {
            number: 0,
            name: name.to_owned(),
            key: None,
            staged: None,
            credentials: None,
            edition: 0,
            expires_at: None,
            apple_id: None,
            account: None,
            base_url: None,
            defaults: BTreeMap::new(),
            assigner_profile_uuid: None,
            is_default: false,
            trouble: None,
            scope_tags: Vec::new(),
            alerted_at_days: None,
            created_at: at,
            updated_at: at,
        }
    }
}

/// What kind of pass over Apple's list a sync is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AdeSyncKind {
    /// All devices (`POST /server/devices`).
    Full,
    /// What has changed since the cursor (`POST /devices/sync`).
    Delta,
}

/// A sync that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdeSyncRun {
    /// Names it: only the node that began it may store its pages.
    pub id: String,
    /// What it does.
    pub kind: AdeSyncKind,
    /// Whether an operator asked for it.
    pub manual: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it counts as dead, and another may begin.
    pub deadline: Timestamp,
    /// How many pages are stored.
    pub pages: u64,
    /// How many device records they held.
    pub devices: u64,
}

/// How a sync ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdeSyncEnd {
    /// What ran.
    pub run: AdeSyncRun,
    /// When it ended.
    pub at: Timestamp,
    /// Why it failed: a code of the error table, and what was said. Absent: it succeeded.
    pub failure: Option<(String, String)>,
}

/// Where the sync of one token's devices stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdeSyncRecord {
    /// Where Apple's list goes on.
    pub cursor: Option<String>,
    /// When Apple gave the cursor; it is good for seven days.
    pub cursor_at: Option<Timestamp>,
    /// Whether the pages of a full pass are still coming.
    pub in_full: bool,
    /// The number of the present (or latest) full pass, from 1.
    pub generation: u64,
    /// What runs now.
    pub running: Option<AdeSyncRun>,
    /// How the latest one ended.
    pub last_end: Option<AdeSyncEnd>,
    /// When a full pass began last.
    pub last_full_at: Option<Timestamp>,
    /// When a full pass was completed last.
    pub last_full_done_at: Option<Timestamp>,
    /// When an operator's sync began last.
    pub last_manual_at: Option<Timestamp>,
    /// When Apple last gave a page.
    pub last_fetch_at: Option<Timestamp>,
    /// How many have failed in a row.
    pub failures: u32,
    /// Before when nothing is asked of Apple by itself.
    pub not_before: Option<Timestamp>,
    /// Whether the next one has to be full.
    pub full_wanted: bool,
}

/// How an assignment to a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdeAssignmentState {
    /// Apple was not asked yet, or did not answer.
    Pending,
    /// `SUCCESS`.
    Assigned,
    /// `NOT_ACCESSIBLE`: the device does not belong to this MDM server.
    NotAccessible,
    /// `FAILED`.
    Failed,
    /// `THROTTLED`: Apple takes it later.
    Throttled,
}

/// What was asked of Apple for a device, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdeAssignment {
    /// The profile, by Apple's identifier.
    pub profile_uuid: String,
    /// How it stands.
    pub state: AdeAssignmentState,
    /// When it came to stand so.
    pub at: Timestamp,
    /// How often Apple was asked for this profile.
    pub attempts: u32,
}

/// A device as Apple's list has it. All but the serial number may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AdeDeviceFacts {
    /// Apple's text, such as `IPHONE 15`.
    pub model: Option<String>,
    /// Apple's text.
    pub description: Option<String>,
    /// Apple's text.
    pub color: Option<String>,
    /// The organisation's tag.
    pub asset_tag: Option<String>,
    /// `iPad`, `iPhone`, `iPod`, `Mac`, `AppleTV`, `Vision`.
    pub device_family: Option<String>,
    /// `iOS`, `iPadOS`, `OSX`, `tvOS`, `visionOS`.
    pub os: Option<String>,
    /// `empty`, `assigned`, `pushed` or `removed`.
    pub profile_status: Option<String>,
    /// The profile that Apple has for it.
    pub profile_uuid: Option<String>,
    /// When that was assigned.
    pub profile_assign_time: Option<Timestamp>,
    /// When the device fetched it.
    pub profile_push_time: Option<Timestamp>,
    /// When it was assigned to this MDM server.
    pub device_assigned_date: Option<Timestamp>,
    /// By whom.
    pub device_assigned_by: Option<String>,
    /// Until when it has to have moved here from another MDM server.
    pub mdm_migration_deadline: Option<Timestamp>,
    /// Its address.
    pub bluetooth_mac_address: Option<String>,
    /// Its address.
    pub ethernet_mac_address: Option<String>,
    /// Its address.
    pub wifi_mac_address: Option<String>,
    /// Its eSIM identifier.
    pub eid: Option<String>,
    /// Its cellular identifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub imei: Vec<String>,
    /// Its cellular identifiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub meid: Vec<String>,
    /// Whether it came in place of another device.
    pub is_replacement_device: bool,
    /// Whether it was released because another device came in its place.
    pub released_by_replacement: bool,
}

/// A device of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdeDeviceRecord {
    /// The token's number.
    pub token: u64,
    /// Its serial number, as Apple spells it.
    pub serial: SerialNumber,
    /// What Apple says of it.
    pub facts: AdeDeviceFacts,
    /// The date of the latest event that is contained in `facts`.
    #[serde(default)]
    pub op_date: Option<Timestamp>,
    /// The full pass that has seen it last; see [`AdeSyncRecord::generation`].
    #[serde(default)]
    pub generation: u64,
    /// Since when Apple has it no more for this MDM server ("Removed from ABM").
    #[serde(default)]
    pub removed_at: Option<Timestamp>,
    /// The profile, by name, that an operator chose for it. Absent: the default.
    #[serde(default)]
    pub chosen_profile: Option<String>,
    /// The latest assignment.
    #[serde(default)]
    pub assignment: Option<AdeAssignment>,
    /// When the assigner has to look at it; absent when there is nothing to do. The store keeps an index of these.
    #[serde(default)]
    pub due: Option<Timestamp>,
    /// When this server first knew of it.
    pub first_seen_at: Timestamp,
    /// When this record changed last.
    pub updated_at: Timestamp,
}

/// An enrollment profile of a token. Apple's copies never change: each edit is defined anew, under a new identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdeProfileRecord {
    /// The token's number.
    pub token: u64,
    /// Unique in its token; users do not see it.
    pub name: String,
    /// The operator's note; users do not see it.
    #[serde(default)]
    pub description: String,
    /// The settings, as validated.
    pub settings: serde_json::Value,
    /// Counts the edits, from 1.
    pub revision: u64,
    /// Apple's identifier of the present revision; absent until Apple has it.
    #[serde(default)]
    pub uuid: Option<String>,
    /// Apple's identifiers of earlier revisions.
    #[serde(default)]
    pub former_uuids: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// From what is stored to what shall be stored: `None` leaves everything as it is.
pub type AdeTokenRule = Box<dyn Fn(&AdeTokenRecord) -> Option<AdeTokenRecord> + Send + Sync>;

/// What becomes of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowRuling<T> {
    /// It stays as it is.
    Keep,
    /// This takes its place.
    Put(T),
    /// It goes.
    Remove,
}

/// From a stored profile (absent: there is none of that name) and the number of the token's profiles to what becomes
/// of it.
pub type AdeProfileRule =
    Box<dyn Fn(Option<&AdeProfileRecord>, usize) -> RowRuling<AdeProfileRecord> + Send + Sync>;

/// From where the sync stands to where it shall stand; `None` refuses the whole change.
pub type AdeSyncRule = Box<dyn Fn(&AdeSyncRecord) -> Option<AdeSyncRecord> + Send + Sync>;

/// From a stored device (absent: there is none) to what becomes of it.
pub type AdeDeviceRule =
    Box<dyn Fn(&SerialNumber, Option<&AdeDeviceRecord>) -> RowRuling<AdeDeviceRecord> + Send + Sync>;

/// A change to a token's sync and some of its devices, in one step: a page with its cursor, an answer to an
/// assignment.
pub struct AdeDeviceChange {
    /// Where the sync shall stand; absent: it is not looked at.
    pub sync: Option<AdeSyncRule>,
    /// The devices that `rule` is called for.
    pub serials: Vec<SerialNumber>,
    /// What becomes of each.
    pub rule: AdeDeviceRule,
}

impl fmt::Debug for AdeDeviceChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdeDeviceChange")
            .field("serials", &self.serials.len())
            .finish_non_exhaustive()
    }
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdeChanged {
    /// There is no such token.
    NoToken,
    /// The sync's rule refused it; nothing was stored.
    Refused,
    /// Stored; so many device rows were written or removed.
    Done(usize),
}

/// Which devices a list shall hold. Every field that is present must match.
#[derive(Clone, Debug, Default)]
pub struct AdeDeviceFilter {
    /// Of this token.
    pub token: Option<u64>,
    /// Of one of these tokens.
    pub tokens: Option<Vec<u64>>,
    /// Whose serial number begins so.
    pub serial_prefix: Option<String>,
    /// With this profile at Apple, by Apple's identifiers.
    pub profile_uuids: Option<Vec<String>>,
    /// With this `profile_status`.
    pub profile_status: Option<String>,
    /// `true`: those that Apple has no more; `false`: the others.
    pub removed: Option<bool>,
    /// Not seen by this full pass or a later one.
    pub unseen_in: Option<u64>,
    /// Removed before this.
    pub removed_before: Option<Timestamp>,
    /// `true`: those that have a profile, are not enrolled and are not enrolling; `false`: the others.
    pub awaiting: Option<bool>,
}

/// How many devices of a token stand where. Counted over all its devices: for what is shown now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AdeFigures {
    /// Devices that Apple has for this MDM server.
    pub devices: u64,
    /// Of these, those with an enrollment here that is enrolled.
    pub enrolled: u64,
    /// Of these, those with a profile and without such an enrollment.
    pub ready_to_enroll: u64,
    /// Of these, those without a profile.
    pub missing_profile: u64,
    /// Devices that Apple has no more, but that are still shown.
    pub removed_from_abm: u64,
}

/// What became of a new token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdeTokenAdded {
    /// It has this number.
    Added(u64),
    /// The name is taken.
    NameTaken,
    /// There are as many as there may be.
    TooMany,
}

/// Tokens, devices and profiles of Automated Device Enrollment.
#[async_trait]
pub trait AdeStore: Send + Sync {
    /// Remembers a token (its `number` is given here), unless there are `limit` already.
    async fn add_ade_token(&self, token: AdeTokenRecord, limit: usize) -> StoreResult<AdeTokenAdded>;

    /// All tokens, by name (bytes).
    async fn ade_tokens(&self) -> StoreResult<Vec<AdeTokenRecord>>;

    /// One token, by its name.
    async fn ade_token(&self, name: &str) -> StoreResult<Option<AdeTokenRecord>>;

    /// One token, by its number.
    async fn ade_token_by_number(&self, number: u64) -> StoreResult<Option<AdeTokenRecord>>;

    /// Changes a token; `number`, `name` and `created_at` stay what they are. If the new record is the default, no other
    /// is any more. Returns what is stored then; `None`: there is no such token.
    async fn edit_ade_token(&self, number: u64, rule: AdeTokenRule) -> StoreResult<Option<AdeTokenRecord>>;

    /// Forgets a token with all its profiles, devices and its sync, at once for every reader. `false`: there was none.
    /// What is left of it goes by [`purge_removed_ade_tokens`](Self::purge_removed_ade_tokens).
    async fn remove_ade_token(&self, number: u64) -> StoreResult<bool>;

    /// Deletes what is left of removed tokens, at most `limit` devices and profiles; says how many.
    async fn purge_removed_ade_tokens(&self, limit: usize) -> StoreResult<usize>;

    /// Where a token's sync stands.
    async fn ade_sync(&self, token: u64) -> StoreResult<AdeSyncRecord>;

    /// Changes the sync and devices of a token, all in one step.
    async fn change_ade_devices(&self, token: u64, change: AdeDeviceChange) -> StoreResult<AdeChanged>;

    /// A device, of every token that has it: those that Apple still has first, then the one that changed last.
    async fn ade_device(&self, serial: &SerialNumber) -> StoreResult<Vec<AdeDeviceRecord>>;

    /// Devices that match, ordered by token and serial number (bytes).
    async fn ade_devices(
        &self,
        filter: &AdeDeviceFilter,
        page: &Page,
    ) -> StoreResult<Listing<AdeDeviceRecord>>;

    /// The devices of a token whose `due` has come, the earliest first, at most `limit`; costs what it returns.
    async fn due_ade_devices(
        &self,
        token: u64,
        now: Timestamp,
        limit: usize,
    ) -> StoreResult<Vec<AdeDeviceRecord>>;

    /// The earliest `due` of a token's devices.
    async fn next_ade_due(&self, token: u64) -> StoreResult<Option<Timestamp>>;

    /// How many of a token's devices stand where.
    async fn ade_figures(&self, token: u64) -> StoreResult<AdeFigures>;

    /// Changes, makes or removes one profile; `None`: there is no such token. Otherwise what is stored then.
    async fn edit_ade_profile(
        &self,
        token: u64,
        name: &str,
        rule: AdeProfileRule,
    ) -> StoreResult<Option<Option<AdeProfileRecord>>>;

    /// A token's profiles, by name (bytes).
    async fn ade_profiles(&self, token: u64) -> StoreResult<Vec<AdeProfileRecord>>;

    /// One profile.
    async fn ade_profile(&self, token: u64, name: &str) -> StoreResult<Option<AdeProfileRecord>>;
}
