//! Light, dark, or as the system has it: kept in a cookie, for the page has to come in the right colours at once.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
};

use super::{
    form::Form,
    frame::{Answer, see},
};
use crate::operator::OperatorDoor;

const COOKIE: &str = "russet-theme";

/// In which colours pages are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Theme {
    /// As the system has it.
    #[default]
    Auto,
    /// Dark.
    Dark,
    /// Light.
    Light,
}

impl Theme {
    /// All, in the order of the switch.
    pub(super) const ALL: [Self; 3] = [Self::Auto, Self::Light, Self::Dark];

    /// Its name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.as_str() == name)
    }

    /// The one of a request's cookie.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(header::COOKIE).iter();
        let cookies = cookies
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'));
        cookies
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find_map(|(name, value)| (name == COOKIE).then(|| Self::parse(value)).flatten())
            .unwrap_or_default()
    }
}

/// Remembers the choice and goes back to where it was made.
pub(super) async fn choose(State(door): State<Arc<OperatorDoor>>, headers: HeaderMap, body: Body) -> Answer {
    let form = Form::read(&door, &headers, body).await?;
    let theme = Theme::parse(form.text("theme")).unwrap_or_default();
    // Only a path of ours: `//host` is another host's.
    let back = Some(form.text("back")).filter(|back| back.starts_with('/') && !back.starts_with("//"));
    let mut response = see(back.unwrap_or("/"), None);
    let cookie = format!(
        "{COOKIE}={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly",
        theme.as_str()
    );
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        assert_eq!(Theme::of(&headers), Theme::Auto);
        headers.insert(
            header::COOKIE,
            HeaderValue::from_static("a=b; russet-theme=dark; c=d"),
        );
        assert_eq!(Theme::of(&headers), Theme::Dark);
        headers.insert(header::COOKIE, HeaderValue::from_static("russet-theme=<script>"));
        assert_eq!(Theme::of(&headers), Theme::Auto);
    }
}
