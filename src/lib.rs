//! Russet, an Apple MDM protocol server: enrollment over HTTPS, identities by SCEP, check-ins, commands.
//!
//! # The shape of the code
//!
//! ```text
//! main → cli → app → { http, operator } → service → { storage, apple, pki, outbound } → protocol → error
//!                            net ↗ (listening, TLS, bodies: what both doors stand on)
//! ```
//!
//! A group uses itself and the groups to its right; groups in the same braces do not see each other. A test holds the
//! code to it.
//!
//! | group | what it is |
//! |---|---|
//! | [`cli`] | the command line; `main.rs` only calls it |
//! | [`app`] | the object graph, and running it; [`setup`] makes a new [`data_dir`], [`config`] is parsed once |
//! | [`http`] | the device-facing door |
//! | [`operator`] | the human-facing door |
//! | [`net`] | listeners, TLS, limits, request log |
//! | [`service`] | the rules; knows traits, never HTTP or a database |
//! | [`storage`] | what is remembered: traits with their contracts, and the backends behind them |
//! | [`apple`] | clients of Apple's services, behind traits: push, device assignment |
//! | [`outbound`] | requests to endpoints that operators name: webhooks, declarative management; a trait, and its client |
//! | [`pki`] | CMS, SCEP, certificates, secrets; pure |
//! | [`protocol`] | wire types and Apple's catalogue; pure |
//! | [`metrics`], [`telemetry`] | the figures with the alerts that read them; traces for a collector |
//! | [`error`] | the one error vocabulary, with a next step for each failure |
//!
//! # Rules that carry weight
//!
//! * **Durable before 2xx.** Every [`storage`] method is one event; it happens whole or not at all, and it is on disk
//!   when it returns.
//! * **Devices never see 401.** It would unenroll them. [`http`] has its own rendering of errors, in which it can't occur.
//! * **One certificate, one device.** Who may speak for whom is decided by pure functions in [`service::admission`],
//!   which the store calls inside its transaction.
//! * **Nothing of a living enrollment is touched by a message that could be a mistake**: a re-enrollment takes effect
//!   with its `TokenUpdate`, a renewal keeps everything.
//! * **Time is an argument.** Only [`clock`] reads it (and [`net::log`], for durations).
//! * **No input stops the process.** Bodies are bounded ([`net::body`]), property lists and CMS are read within limits
//!   ([`protocol::plist`], [`pki::ber`]).
//!
//! # One request through it: `TokenUpdate`
//!
//! 1. [`net::serve`] accepts the connection; [`net::tls`] has the possession of the client certificate proven, and
//!    judges nothing.
//! 2. [`http::device`] tells a check-in from a report, reads the body within its limit, and finds the certificate that
//!    the request comes from (signature, TLS, or a trusted proxy's header).
//! 3. [`protocol::mdm`] decodes the message and normalises the sender's id.
//! 4. [`service::checkin`] asks [`service::identity`] whether this certificate speaks for that device, seals the unlock
//!    token ([`pki::seal`]), and hands [`service::admission::token_update`] to
//! 5. [`storage::EnrollmentStore::check_in`], which shows it what is stored, writes what it decides in one durable step
//!    ([`storage::sled`]: into a journal, and then into the tree), and returns. The device gets an empty 200.
//!
//! # SCEP enrollment
//!
//! [`http::enroll`] hands out a signed profile ([`protocol::profile`]) whose challenge is remembered with the device it
//! was made for ([`service::enrollment`]). The device's request arrives at [`http::scep`]; [`pki::scep`] verifies and
//! opens it; [`service::issuance`] has the store decide and remember the issuance *before* [`pki::ca`] signs, so that a
//! repeated request gets the same certificate and a crash in between costs nothing.
//!
//! # A device comes out of its box
//!
//! Automated Device Enrollment: Apple tells the device an address of ours, which holds a secret of its server token
//! ([`service::ade::door`]). What it sends to [`http::ade`] was signed when it was activated; [`pki::machine_info`]
//! verifies it, [`pki::device_trust`] says who may vouch for a device, [`protocol::machine_info`] reads it. Where its
//! profile asks for a login, the user meets a page first. From the profile on it is a SCEP enrollment; the challenge,
//! the certificate and then the enrollment's record carry how it came. [`service::holds`] has it wait in
//! Setup Assistant for what it is to get.
//!
//! # The hold in Setup Assistant
//!
//! 1. The step that stores a `TokenUpdate` with `AwaitingConfiguration` begins a hold ([`storage::HoldStore`]).
//! 2. [`service::holds::Holds::attend`] plans it: [`service::holds::choice`] says which hold profile is the device's; what
//!    that installs is queued in the step that stores the plan.
//! 3. Each answer of the device changes the hold in the step that stores the answer ([`storage::Report`]): a pure function
//!    says what becomes of it, and the command that ends it may be among what it queues.
//! 4. [`service::holds::Holds::tend`] looks at those whose time has come: apps to be asked for, holds that last too long.
//! 5. [`service::holds::progress`] says how far one is.
//!
//! # Commands
//!
//! [`operator`]'s `/v1/enqueue` goes to [`service::commands::Commands::enqueue`], which stores one command for all its
//! targets in one step. A device's report goes to [`service::commands::Commands::report`];
//! [`storage::CommandStore::report_and_next`] stores the result and finds the next command in one step, at a cost that
//! does not depend on history.
//!
//! # Actions
//!
//! What operators have devices do goes through [`service::actions`]: [`protocol::actions`] reads a verb's parameters and
//! makes its commands, the rules refuse what a device can't or must not do, and [`service::commands`] queues them, with
//! [`service::commands::secrecy`] sealing what holds secrets and [`service::commands::guard`] keeping one operator from
//! wiping a fleet. Many devices are a job ([`service::jobs`]): each of its steps queues its commands and advances in one
//! storage step ([`storage::JobStore::advance_job`]).
//!
//! # Push
//!
//! The step that stores a command also puts its targets into the outbox ([`storage::PushStore`]). Once that is durable,
//! [`service::push::Pushes`] is told; its scheduler lets pushes depart through [`apple::PushService`]
//! ([`apple::apns`] speaks to APNs), and draws conclusions from the answers. It hears of each report just before the
//! device's queue is read ([`service::push::Pushes::contact`]), so that it knows who needs no push, and takes those out
//! of the outbox whose queue the store has seen empty.
//!
//! # The push certificate
//!
//! A request's key is made in [`service::push_certificates::request`] and waits, sealed, for its certificate;
//! [`service::push_certificates::import`] looks at everything that could be wrong with what comes back
//! ([`pki::push_cert`]) before it stores it, and announces the change to whoever pushes.
//! [`service::push_certificates::standing`] says how long it still serves.
//!
//! # Server tokens
//!
//! A token of Apple Business Manager begins as a key pair that waits ([`service::ade::tokens::pending`]); the file that
//! Apple encrypts to it is opened by [`pki::dep_token`] and taken into service by [`service::ade::tokens::import`], which
//! asks Apple first ([`apple::dep::DeviceAssignment`]). Whoever speaks to Apple for a token gets the way there from
//! [`service::ade::tokens::AdeTokens::access`], and reports what Apple has against it to
//! [`service::ade::tokens::AdeTokens::note`].
//!
//! # Apple's list of devices
//!
//! 1. [`service::ade::sync::AdeSync::run`] looks at the tokens; [`service::ade::sync::schedule`] says whether the time of a
//!    sync has come, and which kind it is. It begins under a name of its own, in one step with being entered as running.
//! 2. [`apple::dep::DepClient`] reads a page: all devices, or what has changed since the cursor.
//! 3. [`service::ade::sync::merge`] makes devices of it, and
//!    [`storage::AdeStore::change_ade_devices`] stores them with the page's cursor, unless the sync has lost its name.
//! 4. Beside the next page, [`service::ade::assign::Assigner`] takes what is due, as [`service::ade::assign::wanted`] says,
//!    marks it, asks Apple, and stores Apple's word for each device.
//! 5. After a full pass, devices that were not in it are marked as removed.
//!
//! [`service::ade::why`] puts together what Apple and the store say about one device.
//!
//! # Who did what
//!
//! Whatever an operator changes, and every look at a secret, leaves an entry in the audit log ([`storage::AuditStore`]):
//! the middleware of [`operator`] enters it before the handler runs, and a command's entry is stored in one step with the
//! command ([`storage::NewCommand`]). Each entry holds the hash of the one before it; [`service::audit`] follows the chain
//! and names the first link that does not hold.
//!
//! # Who asks at the operator's door
//!
//! [`operator::auth`] finds out: the local socket, an API key ([`service::keys`]) or a session
//! ([`service::access::sessions`]). It puts a [`service::access::Operator`] into the request, whose scopes each handler asks for;
//! what somebody sees who is confined to scope tags is [`service::access::visibility`]'s to say.
//!
//! # Enrollment status
//!
//! What a check-in means to a device's attempt to enroll is worked out beside its own rule
//! ([`service::reports::following`]) and stored in the same step ([`storage::Change`]); what the doors see goes to
//! [`service::reports::Attempts`]. How an attempt goes on is a pure function, [`storage::advance`]. The store counts as it
//! writes ([`storage::ReportStore`]), and [`service::reports::Reports`] reads that.
//!
//! # Events
//!
//! What a device says is told to webhooks: [`service::events::Events`] makes the event if any hook wants it, the store
//! puts it into the queues of those hooks in the same step as what it tells of ([`storage::Change`],
//! [`storage::Report`], [`storage::EventStore::emit`]), and a task for each hook delivers it later through
//! [`outbound`], whose [`outbound::guard`] judges every address at the moment it is connected to.

pub mod app;
pub mod apple;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod error;
pub mod http;
pub mod metrics;
pub mod net;
pub mod operator;
pub mod outbound;
pub mod pki;
pub mod protocol;
pub mod service;
pub mod setup;
pub mod storage;
pub mod telemetry;

/// This release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
