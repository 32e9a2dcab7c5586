//! Whose word is taken for a device, and where Apple's device CAs come from.

use std::{path::PathBuf, sync::Arc};

use crate::{
    config::Config,
    data_dir::DataDir,
    outbound::{
        Outbound, OutboundMethod, OutboundRequest, Target,
        client::{HttpClient, SystemResolver},
    },
    pki::device_trust::{APPLE, APPLE_PAGES, DeviceTrust, certificates, quoted, recognize},
};

/// Whose word is taken for a device: Apple's CAs in the data directory, and those that the configuration names. Also what
/// can't be used, and why.
pub fn device_trust(data_dir: &DataDir, config: &Config) -> (DeviceTrust, Vec<(PathBuf, String)>) {
    let mut trust = DeviceTrust::default();
    let mut problems = Vec::new();
    for path in data_dir.trust_files() {
        let read = std::fs::read(&path).map_err(|error| error.to_string());
        let ders = read.and_then(|file| certificates(&file).map_err(|error| error.to_string()));
        let taken = ders.and_then(|ders| {
            for der in ders {
                if !trust.add_apple(&der).map_err(|error| error.to_string())? {
                    return Err("it is none of Apple's device CAs, by its fingerprint".to_owned());
                }
            }
            Ok(())
        });
        problems.extend(taken.err().map(|problem| (path, problem)));
    }
    let simulated = config.ade.simulated_ca.iter().filter(|_| config.dev.enabled);
    for name in config.ade.trust_anchors.iter().chain(simulated) {
        let read = std::fs::read(data_dir.path(name)).map_err(|error| error.to_string());
        let ders = read.and_then(|file| certificates(&file).map_err(|error| error.to_string()));
        let taken = ders.and_then(|ders| {
            let mut ders = ders.iter();
            ders.try_for_each(|der| trust.add_configured(der).map_err(|error| error.to_string()))
        });
        problems.extend(taken.err().map(|problem| (name.clone(), problem)));
    }
    (trust, problems)
}

/// Why Apple's device CAs could not be fetched or added. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file can't be stored.
    #[error(transparent)]
    DataDir(#[from] crate::data_dir::DataDirError),
    /// No certificate in it, or nothing that one can be read from.
    #[error("{0}")]
    Unreadable(String),
    /// A certificate whose fingerprint is not on the list.
    #[error("{0} is none of Apple's device CAs: its fingerprint is not on the list")]
    Unknown(String),
}

/// What became of Apple's device CAs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustAdded {
    /// Stored now.
    pub added: Vec<&'static str>,
    /// There before.
    pub known: Vec<&'static str>,
    /// Not to be had, with the reasons.
    pub problems: Vec<String>,
}

/// A page of Apple's, or a certificate, is not larger.
const MAX_PAGE: usize = 2 * 1024 * 1024;

/// So many certificates that a page links to are looked at.
const MAX_LINKS: usize = 100;

/// Downloads Apple's device CAs. `base` takes the place of Apple's hosts. Whatever comes, only what has the right
/// fingerprint is stored.
pub async fn fetch_trust(data_dir: &DataDir, base: Option<&str>) -> Result<TrustAdded, TrustError> {
    let client = HttpClient::new(Vec::new(), Arc::new(SystemResolver));
    let mut report = TrustAdded::default();
    let mut found = Vec::new();
    for page in APPLE_PAGES {
        if APPLE.iter().all(|authority| {
            found
                .iter()
                .any(|der: &Vec<u8>| recognize(der) == Some(authority))
        }) {
            break;
        }
        let url = moved(page, base);
        let content = match get(&client, &url).await {
            Ok(content) => content,
            Err(problem) => {
                report.problems.push(format!("{url}: {problem}"));
                continue;
            }
        };
        if let Ok(ders) = certificates(&content) {
            found.extend(ders);
            continue;
        }
        let text = String::from_utf8_lossy(&content);
        found.extend(quoted(&text));
        for link in links(&text, &url).into_iter().take(MAX_LINKS) {
            if let Ok(content) = get(&client, &moved(&link, base)).await {
                found.extend(certificates(&content).unwrap_or_default());
            }
        }
    }
    for der in found {
        if let Some(authority) = recognize(&der)
            && !report.added.contains(&authority.name)
            && !report.known.contains(&authority.name)
        {
            store(data_dir, &der, &mut report)?;
        }
    }
    Ok(report)
}

/// Takes Apple's device CAs from a file; nothing of it, if anything else is in it.
pub fn add_trust(data_dir: &DataDir, file: &[u8]) -> Result<TrustAdded, TrustError> {
    let ders = certificates(file).map_err(|error| TrustError::Unreadable(error.to_string()))?;
    for der in &ders {
        if recognize(der).is_none() {
            let name = crate::pki::certificate::Certificate::parse(der).map(|found| found.subject_text());
            return Err(TrustError::Unknown(
                name.unwrap_or_else(|_| "what the file holds".into()),
            ));
        }
    }
    let mut report = TrustAdded::default();
    for der in &ders {
        store(data_dir, der, &mut report)?;
    }
    Ok(report)
}

fn store(data_dir: &DataDir, der: &[u8], report: &mut TrustAdded) -> Result<(), TrustError> {
    if let Some(authority) = recognize(der) {
        if data_dir.store_trust(authority.file, der)? {
            report.added.push(authority.name);
        } else {
            report.known.push(authority.name);
        }
    }
    Ok(())
}

async fn get(client: &HttpClient, url: &str) -> Result<Vec<u8>, String> {
    let request = OutboundRequest {
        method: OutboundMethod::Get,
        target: Target::parse(url).map_err(|error| error.to_string())?,
        headers: Vec::new(),
        body: Vec::new(),
        any_address: false,
        timeout: std::time::Duration::from_secs(30),
        answer_limit: MAX_PAGE,
    };
    let answer = client.send(request).await.map_err(|error| error.to_string())?;
    match (answer.status, answer.body) {
        (200, Some(body)) => Ok(body),
        (200, None) => Err("it is too long".into()),
        (status, _) => Err(format!("the answer was {status}")),
    }
}

/// The same path at another host.
fn moved(url: &str, base: Option<&str>) -> String {
    let path = url
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    match (base, path) {
        (Some(base), Some(path)) => format!("{}{path}", base.trim_end_matches('/')),
        _ => url.to_owned(),
    }
}

/// The certificates that a page links to, as addresses of Apple's.
fn links(page: &str, url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Vec::new();
    };
    let host = rest.split('/').next().unwrap_or_default();
    let targets = page.split("href=").skip(1).filter_map(|rest| {
        let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        rest[1..].split(quote).next()
    });
    let mut found: Vec<String> = targets
        .filter(|target| target.ends_with(".cer"))
        .filter_map(|target| {
            if let Some(path) = target.strip_prefix("//") {
                Some(format!("{scheme}://{path}"))
            } else if target.starts_with('/') {
                Some(format!("{scheme}://{host}{target}"))
            } else if target.contains("://") {
                Some(target.to_owned())
            } else {
                let folder = rest.rsplit_once('/')?.0;
                Some(format!("{scheme}://{folder}/{target}"))
            }
        })
        .filter(|link| link.starts_with("https://") || scheme == "http")
        .collect();
    // Most likely first: the list is long.
    found.sort_by_key(|link| !link.to_ascii_lowercase().contains("iphone"));
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_certificates_are_found_in_each_form() {
        let page = "<a href=\"/x/Root.cer\">r</a><a href='iPhone.cer'>d</a><a href=\"/x/y.pdf\">p</a>\
                    <a href=\"https://b.example/iphone2.cer\">e</a><a href=broken.cer>";
        assert_eq!(
            links(page, "https://a.example/c/"),
            [
                "https://a.example/c/iPhone.cer",
                "https://b.example/iphone2.cer",
                "https://a.example/x/Root.cer"
            ]
        );
    }

    #[test]
    fn another_host_may_stand_in_for_apples() {
        assert_eq!(
            moved(APPLE_PAGES[2], Some("http://h:1/")),
            "http://h:1/certificateauthority/"
        );
        assert_eq!(moved(APPLE_PAGES[2], None), APPLE_PAGES[2]);
    }
}
