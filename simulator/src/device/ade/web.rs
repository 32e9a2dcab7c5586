//! The web view of Setup Assistant: a user logs in until some answer is the enrollment profile (Apple: *Authenticating
//! through web views*).

use std::collections::BTreeMap;

use hyper::Method;
use hyper::header::{LOCATION, SET_COOKIE};

use super::boot::Login;
use super::fetch::{Fetched, PROFILE};
use super::html::{Form, forms};
use super::refusal::Refusal;
use crate::encode::{base64, url_escape};
use crate::error::Problem;
use crate::http::{Client, Origin, Request, Response};

/// A login that takes longer goes in circles.
const MAX_NAVIGATIONS: usize = 30;
const USER_AGENT: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148";

/// Goes from `start` to the profile.
pub(super) async fn view(
    client: &mut Client,
    start: &str,
    machine_info: &[u8],
    login: Option<&Login>,
) -> Result<Fetched, Problem> {
    let host = Origin::of(start)?.host;
    let mut cookies = Cookies::default();
    let mut request = Request::new(Method::GET, start);
    // On the first request only: the web application keeps it in its session.
    request = request.header("x-apple-aspen-deviceinfo", &base64(machine_info))?;
    let mut logged_in = false;
    for _ in 0..MAX_NAVIGATIONS {
        let at = Origin::of(&request.url)?;
        request = request.header("user-agent", USER_AGENT)?;
        request = request.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")?;
        if let Some(value) = cookies.header(&at.host) {
            request = request.header("cookie", &value)?;
        }
        let response = client.send_once(&request, None).await?;
        cookies.keep(&at.host, &response);
        if let Some(next) = redirect(&request, &response)? {
            request = next;
            continue;
        }
        if response.status == 200 && response.media_type() == PROFILE {
            if at.host != host {
                return Err(Problem::Protocol(format!(
                    "the profile came from {}, not from {host}",
                    at.host
                )));
            }
            return Ok(Ok(response.body.to_vec()));
        }
        let is_page = response.media_type() == "text/html";
        let form = is_page.then(|| form(&response)).flatten();
        let Some(form) = form else {
            return Ok(Err(Refusal::of(&response)));
        };
        if form.asks_password() {
            let Some(_) = login else {
                return Ok(Err(Refusal::own(
                    response.status,
                    "the web page asks for credentials",
                )));
            };
            if logged_in {
                return Ok(Err(Refusal::own(
                    response.status,
                    "the web page refuses the credentials",
                )));
            }
            logged_in = true;
        }
        request = submit(&request.url, &form, login)?;
    }
    Err(Problem::protocol("the web pages go in circles"))
}

/// The form to go on with: one that asks for a password, or else the first.
fn form(response: &Response) -> Option<Form> {
    let page = String::from_utf8_lossy(&response.body);
    let mut forms = forms(&page);
    let place = forms.iter().position(Form::asks_password).unwrap_or(0);
    (place < forms.len()).then(|| forms.swap_remove(place))
}

/// What a click on the form's button sends.
fn submit(page: &str, form: &Form, login: Option<&Login>) -> Result<Request, Problem> {
    let mut named = false;
    let mut pairs = Vec::new();
    for input in form.inputs.iter().filter(|input| !input.name.is_empty()) {
        let value = match (input.kind.as_str(), login) {
            ("password", Some(login)) => &login.password,
            ("text" | "email", Some(login)) if !std::mem::replace(&mut named, true) => &login.user,
            ("checkbox" | "radio" | "button" | "reset" | "file" | "image", _) => continue,
            _ => &input.value,
        };
        pairs.push(format!("{}={}", url_escape(&input.name), url_escape(value)));
    }
    let (url, query) = (resolve(page, &form.action)?, pairs.join("&"));
    if form.post {
        let request = Request::new(Method::POST, &url).body(query);
        return request.header("content-type", "application/x-www-form-urlencoded");
    }
    let url = url.split('?').next().unwrap_or_default();
    Ok(Request::new(Method::GET, &format!("{url}?{query}")))
}

/// Where a redirect leads: by GET, unless it keeps the method (RFC 9110 §15.4).
fn redirect(request: &Request, response: &Response) -> Result<Option<Request>, Problem> {
    let location = response.headers.get(LOCATION);
    let Some(location) = location.filter(|_| (300..400).contains(&response.status)) else {
        return Ok(None);
    };
    let url = resolve(&request.url, location.to_str().map_err(Problem::transport)?)?;
    if ![307, 308].contains(&response.status) {
        return Ok(Some(Request::new(Method::GET, &url)));
    }
    let mut next = Request::new(request.method.clone(), &url).body(request.body.clone());
    if let Some(kind) = request.headers.get("content-type") {
        next = next.header("content-type", kind.to_str().map_err(Problem::transport)?)?;
    }
    Ok(Some(next))
}

/// The URL that a reference means on this page (RFC 3986 §5.2, without dot segments).
fn resolve(page: &str, reference: &str) -> Result<String, Problem> {
    let reference = reference.split('#').next().unwrap_or_default();
    if reference.contains("://") {
        return Ok(reference.into());
    }
    let origin = Origin::of(page)?;
    let scheme = if origin.secure { "https" } else { "http" };
    let path = origin.path.split('?').next().unwrap_or_default();
    let root = format!("{scheme}://{}", origin.authority);
    Ok(if let Some(rest) = reference.strip_prefix("//") {
        format!("{scheme}://{rest}")
    } else if reference.starts_with('/') {
        format!("{root}{reference}")
    } else if reference.is_empty() {
        format!("{root}{}", origin.path)
    } else if reference.starts_with('?') {
        format!("{root}{path}{reference}")
    } else {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{root}{folder}/{reference}")
    })
}

/// Cookies by host and name; they last as long as the web view.
#[derive(Default)]
struct Cookies(BTreeMap<(String, String), String>);

impl Cookies {
    fn keep(&mut self, host: &str, response: &Response) {
        for value in response.headers.get_all(SET_COOKIE) {
            let pair = value
                .to_str()
                .unwrap_or_default()
                .split(';')
                .next()
                .unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                let key = (host.to_owned(), name.trim().to_owned());
                self.0.insert(key, value.trim().to_owned());
            }
        }
    }

    fn header(&self, host: &str) -> Option<String> {
        let own = self.0.iter().filter(|((of, _), _)| of == host);
        let pairs: Vec<_> = own.map(|((_, name), value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_on_their_page() {
        let page = "https://mdm.example.com/web/login?state=1";
        for (reference, expected) in [
            ("", "https://mdm.example.com/web/login?state=1"),
            ("?a=b", "https://mdm.example.com/web/login?a=b"),
            ("/done#top", "https://mdm.example.com/done"),
            ("next", "https://mdm.example.com/web/next"),
            ("//idp.example.com/x", "https://idp.example.com/x"),
            ("http://a/", "http://a/"),
        ] {
            assert_eq!(resolve(page, reference).unwrap(), expected);
        }
    }
}
