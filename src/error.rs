//! The one error vocabulary: every failure that a device or an operator can see has a code, a cause and a next
//! step, all in the table below. No transport is named here; each door renders a [`Kind`] its own way.

use std::{error, fmt, time::Duration};

/// Who is at fault, and so what the caller can do. Alphabetical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It clashes with what is there.
    Conflict,
    /// Known, and not allowed.
    Forbidden,
    /// The identity certificate and the enrollment do not belong together.
    IdentityMismatch,
    /// Our fault; repeating it will not help.
    Internal,
    /// Understood, but a field breaks a rule; the text names the field.
    Invalid,
    /// The request can't be understood, and never will be.
    Malformed,
    /// There is no such thing.
    NotFound,
    /// The body is larger than this door takes.
    TooLarge,
    /// Allowed, but not yet; [`Error::retry_after`] tells when.
    TooSoon,
    /// The operator did not say who they are. Never used towards a device.
    Unauthenticated,
    /// Not now; the same request may succeed later.
    Unavailable,
}

macro_rules! codes {
    ($($variant:ident = $code:literal, $kind:ident, $cause:literal, $step:literal;)*) => {
        /// A failure's name. Alphabetical.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $cause] $variant,)*
        }

        impl Code {
            /// The whole catalogue.
            pub const ALL: &'static [Code] = &[$(Self::$variant,)*];

            /// The name, stable across releases.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Who is at fault.
            pub fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)* }
            }

            /// What happened, as a sentence.
            pub fn cause(self) -> &'static str {
                match self { $(Self::$variant => $cause,)* }
            }

            /// What to do next, as a sentence.
            pub fn step(self) -> &'static str {
                match self { $(Self::$variant => $step,)* }
            }
        }
    };
}

codes! {
    AccountExists = "account_exists", Conflict,
        "There is an account of that name.", "Choose another name, or remove the old account with `russet ade account remove`.";
    AccountUnknown = "account_unknown", NotFound,
        "There is no account of that name.", "List them with `russet ade account list`.";
    ActionUnknown = "action_unknown", NotFound,
        "There is no such action.", "See /openapi.json, or `russet device --help`, for the list.";
    ActionUnsupported = "action_unsupported", Conflict,
        "The device can't do that.", "The message says what it would need; nothing was queued.";
    AdeDeviceUnknown = "ade_device_unknown", NotFound,
        "No server token has this device.", "Ask Apple with `russet ade why`; it says where the device is.";
    AdeDisownUnconfirmed = "ade_disown_unconfirmed", Invalid,
        "Disowning devices can't be undone, and was not confirmed.", "Set confirm to true if you mean it: the devices leave the organisation for good.";
    AdeFullSyncTooSoon = "ade_full_sync_too_soon", TooSoon,
        "All devices were read less than seven days ago.", "Sync without --full (`full` in the API): that brings all changes.";
    AdeNotConnected = "ade_not_connected", Conflict,
        "This server does not ask Apple about devices.", "A development server asks only where ade.base_url is set to something else than Apple's.";
    AdeProfileExists = "ade_profile_exists", Conflict,
        "The token has an enrollment profile of that name.", "Choose another name, or change it with `russet ade profile edit`.";
    AdeProfileInUse = "ade_profile_in_use", Conflict,
        "The enrollment profile is in use.", "Give its devices another one and unset it as the default, or delete it with --force (`force=true` in the API).";
    AdeProfileInvalid = "ade_profile_invalid", Invalid,
        "The enrollment profile can't be used.", "Correct the settings that the message names; the README lists them.";
    AdeProfileLimit = "ade_profile_limit", Conflict,
        "A token has 1,000 enrollment profiles at most.", "Delete some that no device uses, or add them to another token.";
    AdeProfileUnknown = "ade_profile_unknown", NotFound,
        "The token has no enrollment profile of that name.", "List them with `russet ade profile list`.";
    AdeSyncRunning = "ade_sync_running", Conflict,
        "A sync of this token runs.", "Wait for it: `russet ade status` shows how far it is.";
    AdeSyncTooSoon = "ade_sync_too_soon", TooSoon,
        "The last sync of this token was asked for less than fifteen minutes ago.", "Wait; changes also come by themselves (ade.delta_every).";
    AdeTokenChanged = "ade_token_changed", Conflict,
        "The token was changed by somebody else at the same time.", "Look at it with `russet ade token show`, and try again.";
    AdeTokenDefaultInUse = "ade_token_default_in_use", Conflict,
        "Devices have the token's default profile.", "Unassign it from them, or take the default away with `russet ade token set-default`, then delete again.";
    AdeTokenHasDevices = "ade_token_has_devices", Conflict,
        "Devices are assigned to the token's MDM server.", "Assign them to another MDM server, or release them, in Apple Business Manager or Apple School Manager; then sync, and delete again.";
    AdeTokenHasProfiles = "ade_token_has_profiles", Conflict,
        "The token has enrollment profiles.", "Delete them with `russet ade profile delete`, then delete the token again.";
    AdeTokenInvalid = "ade_token_invalid", Invalid,
        "A setting of the token breaks a rule.", "Correct the field that the message names.";
    AdeTokenLimit = "ade_token_limit", Conflict,
        "There are as many server tokens as there may be.", "Delete one that is not used any more.";
    AdeTokenOtherServer = "ade_token_other_server", Conflict,
        "The token belongs to another MDM server than it should.", "In the portal, download the token of the MDM server that this name stands for, or give the new one a name of its own. To go on all the same: `--force` (`force=true` in the API).";
    AdeTokenPending = "ade_token_pending", Conflict,
        "The token waits for its .p7m file.", "Upload the certificate of `russet ade token pubkey` in the portal, download the token, and import it with `russet ade token import`.";
    AdeTokenUnknown = "ade_token_unknown", NotFound,
        "There is no server token of that name.", "List them with `russet ade token list`.";
    ApiKeyExists = "api_key_exists", Conflict,
        "There is an API key of that name.", "Choose another name, or remove the old key with `russet apikey remove`.";
    ApiKeyUnknown = "api_key_unknown", NotFound,
        "There is no API key of that name.", "List them with `russet apikey list`.";
    AppleBusy = "apple_busy", Unavailable,
        "Apple asks for fewer requests.", "Wait as long as Retry-After says.";
    AppleRefused = "apple_refused", Conflict,
        "Apple did not do it.", "The message has Apple's word for the reason.";
    AppleUnavailable = "apple_unavailable", Unavailable,
        "Apple's Device Assignment Services can't be reached, or are out of order.", "Try again later; `russet doctor` looks at the connection.";
    AttemptUnknown = "attempt_unknown", NotFound,
        "There is no such enrollment attempt.", "List them with `russet report active` and `russet report failures`; ended ones are kept for retention.failures_days.";
    AppleUnknown = "apple_unknown", NotFound,
        "Apple knows of no such thing.", "Look in Apple Business Manager or Apple School Manager what is there.";
    BadBody = "bad_body", Malformed,
        "The body can't be read.", "Compare it with the documentation of this endpoint.";
    BadCertificateFile = "bad_certificate_file", Malformed,
        "The certificate or its key can't be used.", "Give one PEM file with the certificate and its unencrypted key.";
    BadCommand = "bad_command", Malformed,
        "The command is not a plist with CommandUUID and Command/RequestType.", "Compare it with Apple's command reference.";
    BadContentType = "bad_content_type", Malformed,
        "This endpoint does not take that Content-Type.", "Send an XML plist with the Content-Type of Apple's MDM protocol, or with none.";
    BadMessage = "bad_message", Malformed,
        "The message is not one that a device sends here.", "Check the plist, its MessageType or Status, and the URL.";
    BadParameter = "bad_parameter", Malformed,
        "A parameter of the request is missing or wrong.", "Correct the parameter that the message names.";
    BadPkiMessage = "bad_pki_message", Malformed,
        "The message is not a SCEP pkiMessage.", "Send CMS SignedData with a transactionID (RFC 8894 §3.2): as the body of a POST, or in base64 as the message of a GET.";
    BadSignature = "bad_signature", Malformed,
        "The Mdm-Signature does not fit the body.", "Send a detached CMS signature over the exact body, signed within five minutes of the server's clock.";
    BodyTimeout = "body_timeout", Malformed,
        "The body did not arrive in time.", "Send it faster, or raise server.body_timeout.";
    BodyTooLarge = "body_too_large", TooLarge,
        "The body is larger than this endpoint takes.", "Send less; check-ins hold 1 MiB, command results 16 MiB, SCEP messages 2 MiB.";
    BulkNotConfirmed = "bulk_not_confirmed", Invalid,
        "Several devices would be wiped, and their number was not confirmed.", "Set confirm_count (`--confirm-count`) to the number of devices, if you mean all of them.";
    CaUnreadable = "ca_unreadable", Unavailable,
        "The certificate of the authority that issues identities can't be read.", "Look at device-ca.pem in the data directory; `russet doctor` says what is wrong with it.";
    CertificateNotBound = "certificate_not_bound", IdentityMismatch,
        "The certificate does not speak for this enrollment.", "Enroll the device again with a profile made for it.";
    CertificateNotTrusted = "certificate_not_trusted", Forbidden,
        "The certificate was not issued by this server, is out of its validity, or is revoked.", "Enroll the device again; `russet device show` tells which identity is expected.";
    CertificateOfAnother = "certificate_of_another", IdentityMismatch,
        "The certificate was made for another device, or already speaks for another enrollment.", "Fetch a new enrollment profile on this device.";
    CommandExists = "command_exists", Conflict,
        "A command with this CommandUUID exists already.", "Use a new CommandUUID for each command.";
    CommandUnknown = "command_unknown", NotFound,
        "There is no such command.", "Check the CommandUUID; results are kept for retention.results_days.";
    Confined = "confined", Forbidden,
        "This belongs to the whole server, and who asks is confined to scope tags.", "Ask an administrator who is confined to none.";
    CsrfRejected = "csrf_rejected", Forbidden,
        "The request does not come from a page of this server.", "Send the session's csrf_token (GET /v1/session) as X-CSRF-Token, or use an API key; if it was a form, load its page again.";
    DeclarationsUnavailable = "declarations_unavailable", Unavailable,
        "The program that answers declarative management can't be reached, or did not answer well.", "Look at it: declarative_management.forward_url names it, and the log says what it answered.";
    EnrollLinkSpent = "enroll_link_spent", Forbidden,
        "This enrollment link is not valid: it was used, it is too old, or it never existed.", "Ask for a new link (`russet enroll url`).";
    EnrollmentActive = "enrollment_active", Conflict,
        "The device is enrolled.", "Retire it first (`russet device retire`); to forget it all the same: `--force` (`force` in the API), and it has to enroll again.";
    EnrollmentAlive = "enrollment_alive", IdentityMismatch,
        "The device is enrolled, and this certificate was not made for it.", "Use a link bound to its serial number or UDID (`russet enroll url --serial …`), or `russet device allow-reenroll`.";
    EnrollmentClosed = "enrollment_closed", Forbidden,
        "Enrollment is not open to everyone here.", "Use a one-time link from `russet enroll url`.";
    EnrollmentLeft = "enrollment_left", Conflict,
        "The enrollment has checked out.", "It takes commands again after it has enrolled again.";
    EnrollmentSuperseded = "enrollment_superseded", Conflict,
        "The device began to enroll anew before it was done.", "Nothing, if its new attempt goes on; otherwise see what the device shows.";
    EnrollmentTimedOut = "enrollment_timed_out", Unavailable,
        "Network timeout: nothing was heard of the device before its enrollment was complete.", "Look whether it has a network that reaches this server's address (`russet doctor`), then let it try again; in Setup Assistant, restart it.";
    EnrollmentUnknown = "enrollment_unknown", NotFound,
        "There is no such enrollment.", "List them with `russet device list`.";
    FieldInvalid = "field_invalid", Invalid,
        "A field breaks a rule.", "Correct the fields that the answer names.";
    HoldNothingFailed = "hold_nothing_failed", Conflict,
        "Nothing has failed that could be tried again.", "Nothing; `russet device hold` tells what the device waits for.";
    HoldProfileChanged = "hold_profile_changed", Conflict,
        "The hold profile was changed by somebody else at the same time.", "Look at it with `russet hold profile show`, and try again.";
    HoldProfileExists = "hold_profile_exists", Conflict,
        "There is a hold profile of that name.", "Choose another name, or change it with `russet hold profile edit`.";
    HoldProfileInvalid = "hold_profile_invalid", Invalid,
        "The hold profile can't be used.", "Correct the fields that the message names; the README lists them.";
    HoldProfileLimit = "hold_profile_limit", Conflict,
        "There are 100 hold profiles at most.", "Delete some with `russet hold profile delete`.";
    HoldProfileUnknown = "hold_profile_unknown", NotFound,
        "There is no hold profile of that name.", "List them with `russet hold profile list`.";
    HoldRetryDenied = "hold_retry_denied", Conflict,
        "The hold profile does not allow another try.", "Set its allow_retry for the next devices; this one can be released with `russet device release`.";
    HoldTimeout = "hold_timeout", Unavailable,
        "The device was held in Setup Assistant for longer than its hold profile allows.", "See what it waited for with `russet device hold`; try what has failed again with `russet device retry`, or release it with `russet device release`.";
    HoldUnknown = "hold_unknown", NotFound,
        "The device has not been held in Setup Assistant.", "`russet hold list` shows those that are held now.";
    HookExists = "hook_exists", Conflict,
        "There is a hook of that name.", "Choose another name, or remove the old hook with `russet hook remove`.";
    HookLimit = "hook_limit", Conflict,
        "There are as many hooks as there may be.", "Remove one that is not used any more with `russet hook remove`.";
    HookUnknown = "hook_unknown", NotFound,
        "There is no hook of that name.", "List them with `russet hook list`.";
    IdempotencyKeyBusy = "idempotency_key_busy", Conflict,
        "A request with this Idempotency-Key is being carried out.", "Wait a moment, then send it again to get its answer.";
    IdempotencyKeyReused = "idempotency_key_reused", Invalid,
        "This Idempotency-Key was sent with another request.", "Use a new key for each request; repeat one only with the very same method, address and body.";
    IdentityMissing = "identity_missing", Forbidden,
        "The request carries no device identity.", "Present the client certificate in TLS, or send an Mdm-Signature.";
    Internal = "internal", Internal,
        "Something went wrong in the server.", "See the server's log under the request id.";
    JobEnded = "job_ended", Conflict,
        "The job has ended.", "Nothing; `russet job show` tells what it has done.";
    JobUnknown = "job_unknown", NotFound,
        "There is no such job.", "List them with `russet job list`; ended ones are kept for retention.results_days.";
    KeyMissing = "key_missing", Unauthenticated,
        "No API key, or not a valid one.", "Send it as the password of HTTP Basic (any user name) or as a Bearer token; make one with `russet apikey create`.";
    KeyScope = "key_scope", Forbidden,
        "This API key may not do that.", "Use a key with the scope that the message names.";
    LoginAbandoned = "login_abandoned", Forbidden,
        "The login page was left before anybody had logged in.", "Have its user log in in Setup Assistant; make an account with `russet ade account add` if there is none.";
    LoginRefused = "login_refused", Forbidden,
        "The login failed too often.", "Check the name, set a new password (`russet ade account add` after `remove`), and let the device try again.";
    MachineInfoRefused = "machine_info_refused", Forbidden,
        "The request does not bring what an Apple device signs when it asks for its enrollment profile.", "Enroll from Setup Assistant, or on a Mac with `profiles renew -type enrollment`; `russet doctor` tells whether Apple's device CAs are at hand.";
    MachineInfoReplayed = "machine_info_replayed", Forbidden,
        "The device is enrolled already by the very same request.", "If it was erased since, `russet device allow-reenroll` lets it enroll again.";
    MediaTypeUnsupported = "media_type_unsupported", Malformed,
        "This address does not take bodies of that media type.", "Send JSON, with the Content-Type application/json or none.";
    MethodNotAllowed = "method_not_allowed", Malformed,
        "This address does not take that method.", "Use the method that the Allow header names.";
    NoPushCertificate = "no_push_certificate", Unavailable,
        "There is no MDM push certificate, without which no Apple device can enroll.", "Ask for one with `russet push-cert csr`, then `russet push-cert import` it; or import one that you have, with its key.";
    NoPushService = "no_push_service", Conflict,
        "Nothing was sent: no push service is configured.", "Devices take their commands when they next connect.";
    NoTokenService = "no_token_service", Malformed,
        "This server has no token of that service.", "Load the Apple Business Manager token first; other services are not known.";
    NotEnrolled = "not_enrolled", Malformed,
        "The enrollment is not known, or has not got that far.", "A device begins with Authenticate, then TokenUpdate; a user follows its device.";
    NotHeld = "not_held", Conflict,
        "The device is not held in Setup Assistant.", "Nothing; `russet device show` tells where it stands.";
    NotFound = "not_found", NotFound,
        "There is nothing at this address.", "See the README for the list of endpoints.";
    NothingEscrowed = "nothing_escrowed", NotFound,
        "No such secret of this device is kept.", "`russet device show` tells what is; a device escrows tokens after it has enrolled, and bypass codes are asked for with `russet device bypass-code`.";
    OidcRefused = "oidc_refused", Forbidden,
        "What the OpenID provider answers can't be accepted.", "Sign in again. If it stays so, compare [auth.oidc] with the client at the provider, and both clocks.";
    OidcUnavailable = "oidc_unavailable", Unavailable,
        "The OpenID provider can't be asked.", "Try again later, or sign in with a name and a password; auth.oidc.issuer names the provider.";
    OsTooOld = "os_too_old", Forbidden,
        "The device's system is older than this server enrolls.", "Update the device, then enroll it again; ade.minimum_os has the versions.";
    PreconditionFailed = "precondition_failed", Conflict,
        "Somebody else has changed it since you looked.", "Look at it again, and repeat the change with its new ETag if it is still meant.";
    ProfileRefused = "profile_refused", Invalid,
        "The configuration profile can't be installed by a command.", "Correct what the message names.";
    PushCertificateExpired = "push_certificate_expired", Malformed,
        "The push certificate has expired.", "Renew it at identity.apple.com/pushcert (`russet push-cert renew` says how) and import the new file.";
    PushCertificateNotYetValid = "push_certificate_not_yet_valid", Malformed,
        "The push certificate is not valid yet.", "Set this server's clock right, or import it when its time has come.";
    PushCertificateUnknown = "push_certificate_unknown", NotFound,
        "There is no push certificate of that topic.", "Name one that `russet push-cert show` lists.";
    PushKeyEncrypted = "push_key_encrypted", Malformed,
        "The private key is protected by a passphrase.", "Decrypt it with `openssl pkey -in key.pem -out plain.pem`, import that, and delete it.";
    PushKeyMismatch = "push_key_mismatch", Malformed,
        "The push certificate was made for another key.", "Import the certificate that Apple made from this server's request, or add the key that the request was made with.";
    PushKeyNotRsa = "push_key_not_rsa", Malformed,
        "The push certificate's key is not RSA.", "Request it again with `russet push-cert csr`, or with an RSA key of 2048 bits.";
    PushFailed = "push_failed", Unavailable,
        "The push did not go through.", "See `russet doctor`, and the server's log for what APNs said.";
    PushTopicChanged = "push_topic_changed", Conflict,
        "The push certificate has another topic than enrolled devices.", "Choose Renew, not Create, at identity.apple.com with the Apple Account of the present one. To go on all the same: `russet push-cert import --replace-topic` (`replace_topic` in the API).";
    PushTopicMissing = "push_topic_missing", Malformed,
        "The certificate is not an MDM push certificate.", "Download the one from identity.apple.com/pushcert: its subject has a UID that begins with com.apple.mgmt.";
    PushVendorUnusable = "push_vendor_unusable", Unavailable,
        "The MDM vendor's certificate can't sign requests.", "Mend push.vendor_certificate, push.vendor_key and push.vendor_chain, and start the server again; or remove them for an unsigned request.";
    ScepChallengeExpired = "scep_challenge_expired", Forbidden,
        "The enrollment profile was installed after its time: its challenge has expired.", "Download a new profile; a device in Setup Assistant has to be reset.";
    ScepChallengeUnknown = "scep_challenge_unknown", Forbidden,
        "The enrollment profile is not one of this server's, or far too old: its challenge is not known.", "Download a new profile, or reset a device that is in Setup Assistant.";
    ScepChallengeUsed = "scep_challenge_used", Forbidden,
        "The enrollment profile was used before: its challenge is good for one device, once.", "Download a new profile for each device.";
    ScepIdentityRefused = "scep_identity_refused", Forbidden,
        "The identity that asks for its renewal speaks for no enrollment, or for another.", "Enroll the device again.";
    ScepRequestRefused = "scep_request_refused", Forbidden,
        "The device's request for its identity could not be granted.", "The message says what was wrong with it; a proxy that changes requests is a common cause.";
    SessionMissing = "session_missing", NotFound,
        "The request is not made in a session.", "Sign in first; API keys and the local socket have no session.";
    SessionOver = "session_over", Unauthenticated,
        "The session is over.", "Sign in again.";
    SessionUnknown = "session_unknown", NotFound,
        "The user has no such session.", "List them with `russet user sessions`.";
    SetupLinkSpent = "setup_link_spent", Forbidden,
        "This setup link is not valid: it was used, it is too old, or it never existed.", "Make a new one on the server: `russet user setup-link`.";
    SharedIpadUnsupported = "shared_ipad_unsupported", Forbidden,
        "The device can't become the Shared iPad that its profile asks for.", "Wipe it, and give it a profile without shared_ipad first.";
    SignInFailed = "sign_in_failed", Unauthenticated,
        "Name or password is wrong.", "Try again; `russet user password` sets a new password on the server.";
    SignInNoRole = "sign_in_no_role", Forbidden,
        "The OpenID provider gives you no role here.", "Ask for a group that auth.oidc.roles names.";
    SignInNotAllowed = "sign_in_not_allowed", Forbidden,
        "Your e-mail address is not in a domain that may sign in here.", "Use another account; auth.oidc.allowed_domains has the domains.";
    SignInTooSoon = "sign_in_too_soon", TooSoon,
        "Too many sign-ins have failed.", "Wait as long as Retry-After says.";
    StoreUnavailable = "store_unavailable", Unavailable,
        "The server can't reach its store at present.", "Try again; check the disk's free space and the server's log.";
    SupervisionNeeded = "supervision_needed", Conflict,
        "Only a supervised device does that.", "Supervise it: erase it, and enroll it by Automated Device Enrollment or with Apple Configurator.";
    TermsNotSigned = "terms_not_signed", Unavailable,
        "New terms of Apple wait to be accepted.", "Have an administrator sign in at business.apple.com or school.apple.com and accept them; it goes on by itself then.";
    TokenAccessDenied = "token_access_denied", Unavailable,
        "Apple says that the server token may not do this.", "Look in the portal whether the MDM server is still there and its administrator still may manage devices; then download a new token and import it with `russet ade token renew`.";
    TokenExpired = "token_expired", Unavailable,
        "The server token has expired, and no device can enroll with it.", "Renew it: `russet ade token renew` says how.";
    TokenFileAlgorithm = "token_file_algorithm", Malformed,
        "The token file is encrypted with an algorithm that is not known here.", "Download it again from the portal: Apple encrypts with AES.";
    TokenFileDamaged = "token_file_damaged", Malformed,
        "The token file is damaged.", "Download it again from the portal, and send it as it is.";
    TokenFileExpired = "token_file_expired", Malformed,
        "The token in the file has expired.", "Download a new one from the portal; each is good for a year.";
    TokenFileIncomplete = "token_file_incomplete", Malformed,
        "The token in the file lacks something, or has it in a wrong form.", "Download it again from the portal.";
    TokenFileNoJson = "token_file_no_json", Malformed,
        "The token file opens, but holds no token.", "Download it again from the portal.";
    TokenFileNotP7m = "token_file_not_p7m", Malformed,
        "That is not the encrypted .p7m file of Apple's portal.", "Send the file that the portal gives for the MDM server (its name ends in _smime.p7m).";
    TokenFileOtherKey = "token_file_other_key", Malformed,
        "The token file is encrypted for another key.", "Upload the certificate of `russet ade token pubkey` (when renewing, of `russet ade token renew`) to the MDM server in the portal, and download the token after that.";
    TokenFileTooLarge = "token_file_too_large", TooLarge,
        "The file is larger than any token file.", "Send the .p7m file that the portal gives; it has about 3 KiB.";
    TokenRejected = "token_rejected", Unavailable,
        "The server token was replaced in Apple Business Manager or Apple School Manager, or withdrawn.", "A newer download, a changed password, or a person who left ends it. Download a new token with a managed administrator's account, and import it: `russet ade token renew` says how.";
    TokenSignatureInvalid = "token_signature_invalid", Unavailable,
        "Apple does not accept requests that are signed with the server token.", "Set this server's clock right; if it is right, renew the token: `russet ade token renew` says how.";
    TooManyRefusals = "too_many_refusals", TooSoon,
        "Too many requests from this address were refused.", "Try again after the time that Retry-After names.";
    Unassigned = "unassigned", Forbidden,
        "This device is not assigned to this server.", "Assign it in Apple Business Manager, then `russet ade sync`; `russet ade why` tells more of one device.";
    UnlockTokenMissing = "unlock_token_missing", Conflict,
        "The device has escrowed no unlock token, without which its passcode can't be cleared.", "It sends one when it enrolls while it has no passcode; otherwise erase it with `russet device wipe`.";
    UserCancelled = "user_cancelled", Forbidden,
        "The user cancelled the enrollment.", "Ask the user to enroll again, and to keep the profile.";
    UserDeclined = "user_declined", Forbidden,
        "This server does not manage that user.", "Nothing; the device asks again at the next login.";
    UserEnrollmentForbids = "user_enrollment_forbids", Conflict,
        "A device of a person's own does not take that.", "User Enrollment takes lock, refresh, retire and delete, profiles, and apps that are licensed to users or come by manifest; for more, enroll the device as a whole.";
    UserExists = "user_exists", Conflict,
        "There is a user of that name.", "Choose another name; `russet user list` shows those that are taken.";
    UserLastAdmin = "user_last_admin", Conflict,
        "No administrator would be left who can sign in.", "Make another administrator first: `russet user add --role admin`.";
    UserLimit = "user_limit", Conflict,
        "There are as many users as there may be.", "Remove some who are not here any more.";
    UserOfProvider = "user_of_provider", Conflict,
        "That is the OpenID provider's affair.", "Change it there; it takes effect at the next sign-in.";
    UserUnknown = "user_unknown", NotFound,
        "There is no user of that name.", "List them with `russet user list`.";
    WebAuthenticationRequired = "web_authentication_required", Forbidden,
        "On this device its user has to log in first.", "Enroll it from Setup Assistant, which shows the login page.";
    WipeLimit = "wipe_limit", TooSoon,
        "As many devices were wiped within an hour as may be.", "Wait as long as Retry-After says, or raise actions.max_wipes_per_hour; a job goes on by itself.";
}

/// A failure with its code, what exactly is wrong, and for the log only its cause.
#[derive(Debug)]
pub struct Error {
    code: Code,
    detail: Option<String>,
    retry_after: Option<Duration>,
    fields: Vec<FieldProblem>,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

/// What is wrong with a field, or with several together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// Their names.
    pub fields: Vec<String>,
    /// What is wrong, to be read after the names.
    pub problem: String,
}

/// The result of everything above the pure layers.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure that its code says all about.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            retry_after: None,
            fields: Vec::new(),
            source: None,
        }
    }

    /// A failure with the particular thing that is wrong. The text is shown to whoever asked: no secrets, no bodies.
    pub fn with(code: Code, detail: impl fmt::Display) -> Self {
        Self {
            code,
            detail: Some(detail.to_string()),
            retry_after: None,
            fields: Vec::new(),
            source: None,
        }
    }

    /// A failure for which these fields are to blame; the text names them all.
    pub fn of_fields(code: Code, fields: Vec<FieldProblem>) -> Self {
        let text = |field: &FieldProblem| format!("{}: {}", field.fields.join(", "), field.problem);
        let texts: Vec<String> = fields.iter().map(text).collect();
        Self {
            fields,
            ..Self::with(code, texts.join("; "))
        }
    }

    /// The same for a single field.
    pub fn of_field(code: Code, field: &str, problem: impl Into<String>) -> Self {
        let problem = FieldProblem {
            fields: vec![field.to_owned()],
            problem: problem.into(),
        };
        Self::of_fields(code, vec![problem])
    }

    /// A field that can be read, but breaks a rule.
    pub fn invalid(field: &str, problem: impl Into<String>) -> Self {
        Self::of_field(Code::FieldInvalid, field, problem)
    }

    /// The same, where its fields are those of a field: `pin` is `parameters.pin` then.
    pub fn within(self, field: &str) -> Self {
        self.renamed(|name| format!("{field}.{name}"))
    }

    /// The same, where its fields have other names.
    pub fn renamed(mut self, name: impl Fn(&str) -> String) -> Self {
        if self.fields.is_empty() {
            return self;
        }
        for field in self.fields.iter_mut().flat_map(|problem| &mut problem.fields) {
            *field = name(field);
        }
        Self {
            retry_after: self.retry_after,
            source: self.source,
            ..Self::of_fields(self.code, self.fields)
        }
    }

    /// The same, where this field is to blame if no other is.
    pub fn blaming(mut self, field: &str) -> Self {
        if self.fields.is_empty() {
            let problem = self
                .detail
                .clone()
                .unwrap_or_else(|| self.code.cause().to_owned());
            self.fields.push(FieldProblem {
                fields: vec![field.to_owned()],
                problem,
            });
        }
        self
    }

    /// Adds what caused it, for the log only.
    pub fn caused_by(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds when the same request may succeed.
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// A failure of ours.
    pub fn internal(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self::new(Code::Internal).caused_by(source)
    }

    /// Its name.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Who is at fault.
    pub fn kind(&self) -> Kind {
        self.code.kind()
    }

    /// The particular thing that is wrong, where there is one.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The fields that are to blame, where that is known.
    pub fn fields(&self) -> &[FieldProblem] {
        &self.fields
    }

    /// After what time the same request may succeed, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What happened: the cause, and the particular thing that is wrong.
    pub fn message(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} ({detail})", self.code.cause().trim_end_matches('.')),
            None => self.code.cause().trim_end_matches('.').to_owned(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_a_cause_and_a_step_of_its_own() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(
                code.cause().ends_with('.'),
                "{code:?} has no sentence as its cause"
            );
            assert!(code.step().len() > 10, "{code:?} has no next step");
        }
    }

    #[test]
    fn a_source_never_shows_in_the_text() {
        let error = Error::internal("password=hunter2");
        assert!(!error.to_string().contains("hunter2"));
    }
}
