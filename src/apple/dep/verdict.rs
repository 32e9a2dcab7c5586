//! What a refusal means (Apple, "Interpreting error codes"): bodies are plain texts, sometimes within quotation marks,
//! and so compared by "contains".

use http::StatusCode;

use super::{DepAccess, DepFailure, wire::Answer};

/// So much of what Apple said is repeated.
const LONGEST_WORD: usize = 200;

/// What was asked for: decides what `NOT_FOUND` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A profile.
    Profile,
    /// Anything else.
    Other,
}

/// Whether the session is not known any more, and a new one may do. Apple's text says 401, its simulator 403.
pub(super) fn session_refused(answer: &Answer) -> bool {
    match answer.status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => answer.says("FORBIDDEN"),
        _ => false,
    }
}

/// Whether it is the protocol's version that Apple does not take.
pub(super) fn version_refused(answer: &Answer) -> bool {
    answer.status.is_client_error() && answer.says("PROTOCOL") && answer.says("VERSION")
}

/// Whether it applies, the words, and what they mean.
type Meaning = (bool, &'static [&'static str], fn(String) -> DepFailure);

/// What an answer without success means.
pub(super) fn failure(access: &DepAccess, subject: Subject, answer: &Answer) -> DepFailure {
    let word = || word(access, answer);
    let status = answer.status;
    if status == StatusCode::TOO_MANY_REQUESTS {
        return DepFailure::TooManyRequests(answer.retry_after);
    }
    if status.is_server_error() {
        return DepFailure::Unavailable(format!("HTTP {}", status.as_u16()), answer.retry_after);
    }
    let refused_access = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    // The most telling first: an expired token is also not valid.
    let meanings: [Meaning; 12] = [
        (true, &["T_C_NOT_SIGNED"], |_| DepFailure::TermsNotSigned),
        (true, &["EXPIRED_CURSOR"], |_| DepFailure::CursorExpired),
        (true, &["EXHAUSTED_CURSOR"], |_| DepFailure::CursorExhausted),
        (true, &["INVALID_CURSOR"], |_| DepFailure::CursorInvalid),
        (true, &["PROFILE_NOT_FOUND"], |_| DepFailure::ProfileNotFound),
        (true, &["DEVICE_NOT_FOUND"], |_| DepFailure::NotFound),
        (refused_access, &["ACCESS_DENIED"], |_| DepFailure::AccessDenied),
        (refused_access, &["TOKEN_EXPIRED"], DepFailure::TokenExpired),
        (
            refused_access,
            &["TOKEN_REJECTED", "TOKEN_REVOKED"],
            DepFailure::TokenRejected,
        ),
        (
            refused_access,
            &["SIGNATURE", "NONCE", "TIMESTAMP"],
            DepFailure::SignatureInvalid,
        ),
        (subject == Subject::Profile, &["NOT_FOUND"], |_| {
            DepFailure::ProfileNotFound
        }),
        (true, &["NOT_FOUND"], |_| DepFailure::NotFound),
    ];
    for (applies, texts, meaning) in meanings {
        if applies && texts.iter().any(|text| answer.says(text)) {
            return meaning(word());
        }
    }
    match status {
        StatusCode::UNAUTHORIZED => DepFailure::TokenRejected(word()),
        StatusCode::NOT_FOUND if subject == Subject::Profile => DepFailure::ProfileNotFound,
        _ => DepFailure::Refused(status.as_u16(), word()),
    }
}

/// Apple's words, bounded, and without anything that must not be seen: an OAuth problem may repeat the request.
fn word(access: &DepAccess, answer: &Answer) -> String {
    let text = answer.text();
    let mut text = text.trim().trim_matches('"').to_owned();
    let credentials = &access.credentials;
    for secret in [
        &credentials.consumer_key,
        &credentials.consumer_secret,
        &credentials.access_token,
        &credentials.access_secret,
    ] {
        if !secret.is_empty() {
            text = text.replace(secret.as_str(), "…");
        }
    }
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(LONGEST_WORD).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::apple::dep::DepCredentials;

    fn judged(status: u16, body: &str) -> DepFailure {
        let access = DepAccess {
            name: "hq".into(),
            credentials: DepCredentials {
                consumer_key: "CK_1".into(),
                consumer_secret: "CS_2".into(),
                access_token: "AT_3".into(),
                access_secret: "AS_4".into(),
            },
            base_url: None,
        };
        let answer = Answer {
            retry_after: Some(Duration::from_secs(7)),
            ..Answer::bare(status, body)
        };
        failure(&access, Subject::Other, &answer)
    }

    #[test]
    fn f19_t17_y11_apples_words_are_understood_quoted_or_bare() {
        let week = Some(Duration::from_secs(7));
        let cases = [
            (403, "\"T_C_NOT_SIGNED\"", DepFailure::TermsNotSigned),
            (403, "ACCESS_DENIED", DepFailure::AccessDenied),
            (400, "\"EXPIRED_CURSOR\"", DepFailure::CursorExpired),
            (400, "INVALID_CURSOR", DepFailure::CursorInvalid),
            (400, "EXHAUSTED_CURSOR", DepFailure::CursorExhausted),
            (
                401,
                "token_rejected",
                DepFailure::TokenRejected("token_rejected".into()),
            ),
            (
                403,
                "token_expired",
                DepFailure::TokenExpired("token_expired".into()),
            ),
            (
                401,
                "signature_invalid",
                DepFailure::SignatureInvalid("signature_invalid".into()),
            ),
            (401, "", DepFailure::TokenRejected(String::new())),
            (429, "TOO_MANY_REQUESTS", DepFailure::TooManyRequests(week)),
            (503, "", DepFailure::Unavailable("HTTP 503".into(), week)),
            (404, "PROFILE_NOT_FOUND", DepFailure::ProfileNotFound),
            (404, "DEVICE_NOT_FOUND", DepFailure::NotFound),
            (
                400,
                "\"CONFIG_NAME_INVALID\"",
                DepFailure::Refused(400, "CONFIG_NAME_INVALID".into()),
            ),
        ];
        for (status, body, expected) in cases {
            assert_eq!(judged(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn credentials_that_apple_repeats_are_not_repeated() {
        let failure = judged(401, "oauth_problem=token_rejected&oauth_token=AT_3&key=CK_1");
        let text = format!("{failure} {failure:?}");
        assert!(!text.contains("AT_3") && !text.contains("CK_1"), "{text}");
    }
}
