//! What the fake APNs does wrong, and for which pushes.

use std::collections::HashSet;

use h2::Reason as Code;
use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::encode;
use crate::error::Problem;

/// All that is wrong at the moment. What is absent is as it was when the fake APNs started.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// What happens to pushes instead of an answer of 200. The first rule that fits decides; a push that is at fault
    /// itself gets its own refusal whatever the rules say.
    pub rules: Vec<Rule>,
    /// Milliseconds before each answer; other streams do not wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// SETTINGS_MAX_CONCURRENT_STREAMS. A change sends existing connections away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_streams: Option<u32>,
    /// SETTINGS_INITIAL_WINDOW_SIZE: with 0 no body ever comes. A change sends existing connections away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_window_size: Option<u32>,
    /// Whether tokens that nobody registered are refused with `BadDeviceToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict_tokens: Option<bool>,
    /// The alert that ends each TLS handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_alert: Option<TlsAlert>,
    /// What happens to TCP connections. Existing ones are closed when it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage: Option<Outage>,
    /// Seconds by which the clock of the fake APNs is ahead, for certificates and expirations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_offset_seconds: Option<i64>,
}

impl Faults {
    /// No fault but these rules.
    pub fn rules(rules: impl Into<Vec<Rule>>) -> Self {
        Self {
            rules: rules.into(),
            ..Self::default()
        }
    }
}

/// How the handshake refuses the client's certificate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsAlert {
    /// `certificate_expired`
    CertificateExpired,
    /// `certificate_revoked`
    CertificateRevoked,
    /// `unknown_ca`
    UnknownCa,
}

/// How nobody gets through.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outage {
    /// The port is closed.
    Refuse,
    /// Connections are accepted and closed at once.
    Drop,
    /// Connections are accepted and never answered.
    Hang,
}

/// What happens, and to which pushes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What happens.
    pub effect: Effect,
    /// Only to pushes to these tokens, in hexadecimal; to all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<String>,
    /// Only to this share of the tokens, from 0 to 1; always to the same ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Only to so many pushes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Only after so many pushes on the same connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

impl Rule {
    /// A rule for all pushes.
    pub fn all(effect: Effect) -> Self {
        Self {
            effect,
            tokens: Vec::new(),
            share: None,
            next: None,
            after: None,
        }
    }

    /// Refuses all pushes for this reason.
    pub fn refuse(reason: Reason) -> Self {
        Self::all(Effect::Answer(Answer::of(reason)))
    }

    /// Only for this token.
    pub fn token(mut self, token: &[u8]) -> Self {
        self.tokens.push(encode::lower_hex(token));
        self
    }

    /// Only for this share of the tokens.
    pub fn share(mut self, share: f64) -> Self {
        self.share = Some(share);
        self
    }

    /// Only for so many pushes.
    pub fn next(mut self, count: u64) -> Self {
        self.next = Some(count);
        self
    }

    /// Only after so many pushes on the same connection.
    pub fn after(mut self, count: u64) -> Self {
        self.after = Some(count);
        self
    }
}

/// What happens to a push.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is refused.
    Answer(Answer),
    /// The TCP connection is closed without a word.
    Close,
    /// The connection ends with GOAWAY. With `NO_ERROR` this push and the others in flight are still answered, with
    /// any other code none of them is.
    #[serde(rename = "goaway")]
    GoAway(GoAway),
    /// It is accepted and never delivered.
    Lose,
    /// Its stream ends with RST_STREAM.
    Reset {
        /// The error code's name.
        code: ErrorCode,
    },
}

/// A refusal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// `reason`: one of [`Reason`], or any text together with a status.
    pub reason: String,
    /// The HTTP status, if not the reason's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `Retry-After` in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// `timestamp` in milliseconds since 1970; answers of 410 have the present time unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
}

impl Answer {
    /// A refusal for this reason.
    pub fn of(reason: Reason) -> Self {
        Self {
            reason: reason.to_string(),
            status: None,
            retry_after: None,
            timestamp: None,
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        let own = || Reason::named(&self.reason).map(Reason::status);
        self.status.or_else(own).unwrap_or(500)
    }
}

/// How a connection is ended.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct GoAway {
    /// The error code's name; `NO_ERROR` unless set.
    pub code: ErrorCode,
    /// `reason` in the JSON of the debug data; without it there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl GoAway {
    /// GOAWAY with this error code.
    pub fn with(code: ErrorCode) -> Self {
        Self { code, reason: None }
    }

    /// Explains it by this reason.
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason.to_string());
        self
    }
}

/// The error codes of HTTP/2 that are of use (RFC 9113 §7).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum ErrorCode {
    Cancel,
    EnhanceYourCalm,
    InternalError,
    #[default]
    NoError,
    ProtocolError,
    RefusedStream,
}

impl ErrorCode {
    pub(super) fn on_the_wire(self) -> Code {
        match self {
            Self::Cancel => Code::CANCEL,
            Self::EnhanceYourCalm => Code::ENHANCE_YOUR_CALM,
            Self::InternalError => Code::INTERNAL_ERROR,
            Self::NoError => Code::NO_ERROR,
            Self::ProtocolError => Code::PROTOCOL_ERROR,
            Self::RefusedStream => Code::REFUSED_STREAM,
        }
    }
}

/// The rules in force, and how often each still applies.
#[derive(Debug, Default)]
pub(super) struct Active(Vec<ActiveRule>);

#[derive(Debug)]
struct ActiveRule {
    effect: Effect,
    tokens: HashSet<Vec<u8>>,
    share: f64,
    left: u64,
    after: u64,
}

impl Active {
    /// Checks the rules and puts them in force.
    pub(super) fn new(rules: &[Rule]) -> Result<Self, Problem> {
        Ok(Self(rules.iter().map(ActiveRule::new).collect::<Result<_, _>>()?))
    }

    /// What happens to a push to this token, after so many others on the same connection.
    pub(super) fn effect(&mut self, token: &[u8], before: u64) -> Option<Effect> {
        let rule = self.0.iter_mut().find(|rule| rule.fits(token, before))?;
        rule.left -= 1;
        Some(rule.effect.clone())
    }
}

impl ActiveRule {
    fn new(rule: &Rule) -> Result<Self, Problem> {
        let bad = |text: String| Problem::State(text);
        if let Effect::Answer(answer) = &rule.effect {
            if Reason::named(&answer.reason).is_none() && answer.status.is_none() {
                return Err(bad(format!(
                    "`{}` is no reason of APNs: give its status too",
                    answer.reason
                )));
            }
            if !(200..600).contains(&answer.status()) {
                return Err(bad(format!("{} is no status of an answer", answer.status())));
            }
        }
        let share = rule.share.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&share) {
            return Err(bad(format!("the share {share} is not between 0 and 1")));
        }
        let decode = |hex: &String| encode::from_hex(hex).ok_or_else(|| bad(format!("`{hex}` is no token")));
        Ok(Self {
            effect: rule.effect.clone(),
            tokens: rule.tokens.iter().map(decode).collect::<Result<_, _>>()?,
            share,
            left: rule.next.unwrap_or(u64::MAX),
            after: rule.after.unwrap_or(0),
        })
    }

    fn fits(&self, token: &[u8], before: u64) -> bool {
        self.left > 0
            && before >= self.after
            && (self.tokens.is_empty() || self.tokens.contains(token))
            && (self.share >= 1.0 || place(token) < self.share)
    }
}

/// The token's place from 0 to 1 among all tokens, by its digest.
fn place(token: &[u8]) -> f64 {
    let digest = openssl::sha::sha256(token);
    let first = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    f64::from(first) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_always_the_same_tokens() {
        let mut active = Active::new(&[Rule::refuse(Reason::Unregistered).share(0.1)]).unwrap();
        let mut refused = |n: u32| active.effect(&n.to_be_bytes(), 0).is_some();
        let first: Vec<_> = (0..10_000).filter(|n| refused(*n)).collect();
        assert!((900..1100).contains(&first.len()), "{}", first.len());
        assert!(first.iter().all(|n| refused(*n)));
    }

    #[test]
    fn the_first_rule_that_still_applies_decides() {
        let rules = [
            Rule::refuse(Reason::Shutdown).next(2),
            Rule::all(Effect::Lose).token(b"a").after(1),
        ];
        let mut active = Active::new(&rules).unwrap();
        assert!(matches!(active.effect(b"a", 0), Some(Effect::Answer(_))));
        assert!(matches!(active.effect(b"b", 1), Some(Effect::Answer(_))));
        assert_eq!(active.effect(b"a", 0), None);
        assert_eq!(active.effect(b"b", 1), None);
        assert_eq!(active.effect(b"a", 1), Some(Effect::Lose));
    }

    #[test]
    fn faults_are_read_from_json_and_nonsense_is_refused() {
        let json = r#"{"latency_ms": 50, "rules": [
            {"effect": {"answer": {"reason": "TooManyRequests", "retry_after": 7}}, "share": 0.5},
            {"effect": {"goaway": {"code": "ENHANCE_YOUR_CALM", "reason": "Shutdown"}}, "after": 3},
            {"effect": {"reset": {"code": "REFUSED_STREAM"}}, "next": 1},
            {"effect": "close", "tokens": ["0AfF"]}]}"#;
        let faults: Faults = serde_json::from_str(json).unwrap();
        assert!(Active::new(&faults.rules).is_ok());
        let again = serde_json::to_string(&faults).unwrap();
        assert_eq!(serde_json::from_str::<Faults>(&again).unwrap(), faults);

        assert!(serde_json::from_str::<Faults>(r#"{"latency": 50}"#).is_err());
        let mut unknown = Rule::refuse(Reason::Shutdown);
        unknown.effect = Effect::Answer(Answer {
            reason: "Whatever".into(),
            ..Answer::of(Reason::Shutdown)
        });
        assert!(Active::new(&[unknown]).is_err());
        assert!(Active::new(&[Rule::all(Effect::Close).share(2.0)]).is_err());
    }
}
