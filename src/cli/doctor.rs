//! `russet doctor`: looks for what is wrong or missing, and says what to do.

use axum::http::Method;
use serde_json::{Value, json};

use super::{
    args::Cli,
    output::{self, CliError, EXIT_PROBLEM, NO_SET_UP, Output},
    remote,
};
use crate::{
    app,
    clock::Clock,
    config::{Config, ConfigError, TlsMode},
    data_dir::DataDir,
    net::tls,
    operator::client::Client,
    pki::certificate::Certificate,
    protocol::time::Timestamp,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    Warn,
    Fail,
}

struct Finding {
    level: Level,
    what: String,
    step: &'static str,
}

fn finding(level: Level, what: impl Into<String>, step: &'static str) -> Finding {
    Finding {
        level,
        what: what.into(),
        step,
    }
}

/// Runs all checks. Fails with an exit code of its own if one of them found a problem.
pub(super) async fn run(cli: &Cli, output: Output, data_dir: &DataDir) -> Result<(), CliError> {
    let now = Clock::system().now();
    let mut findings = Vec::new();
    let config = Config::load(data_dir.root());
    let is_set_up = !matches!(config, Err(ConfigError::Missing(_)));
    match config {
        Err(error @ ConfigError::Missing(_)) => {
            findings.push(finding(Level::Fail, error.to_string(), NO_SET_UP));
        }
        Err(error) => {
            findings.push(finding(
                Level::Fail,
                format!("configuration: {error}"),
                "Correct russet.toml.",
            ));
        }
        Ok(config) => {
            findings.push(finding(Level::Ok, "the configuration can be used", ""));
            findings.extend(
                config
                    .warnings()
                    .into_iter()
                    .map(|what| finding(Level::Warn, what, "See the README, Configuration.")),
            );
            findings.extend(keys(data_dir, now));
            findings.extend(certificate(data_dir, &config, now));
            findings.extend(push_vendor(data_dir, &config, now));
            findings.extend(device_trust(data_dir, &config));
        }
    }
    if is_set_up {
        findings.extend(server(cli).await);
    }

    let mut problem = false;
    let mut rows = Vec::new();
    for Finding { level, what, step } in findings {
        problem |= level == Level::Fail;
        let mark = match level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        if !output.json {
            let next = if step.is_empty() {
                String::new()
            } else {
                format!("\n        next: {step}")
            };
            output::line(format_args!("[{mark:4}] {what}{next}"));
        }
        rows.push(json!({ "level": mark.to_lowercase(), "finding": what, "step": step }));
    }
    if output.json {
        output::document(&json!({ "findings": rows, "ok": !problem }));
    }
    if problem {
        return Err(CliError::new(
            EXIT_PROBLEM,
            "problem_found",
            "doctor found a problem",
            "Take the steps above.",
        ));
    }
    Ok(())
}

fn keys(data_dir: &DataDir, now: Timestamp) -> Vec<Finding> {
    match data_dir.sealer().and_then(|sealer| data_dir.device_ca(&sealer)) {
        Err(error) => vec![finding(
            Level::Fail,
            error.to_string(),
            "`russet init` makes them; a backup restores them.",
        )],
        Ok(ca) => vec![match Certificate::parse(ca.certificate()) {
            Err(error) => finding(
                Level::Fail,
                format!("the device CA: {error}"),
                "Restore it from a backup.",
            ),
            Ok(certificate) => expiry(
                "the device CA",
                certificate.not_after,
                now,
                "Plan a new data directory before it expires.",
            ),
        }],
    }
}

fn certificate(data_dir: &DataDir, config: &Config, now: Timestamp) -> Vec<Finding> {
    if config.tls.mode == TlsMode::Proxy {
        return vec![finding(
            Level::Ok,
            "a proxy terminates TLS; its certificate can't be seen from here",
            "",
        )];
    }
    let path = data_dir.path(&config.tls.certificate);
    let leaf = match tls::certificates(&path) {
        Ok(certificates) => certificates.into_iter().next(),
        Err(error) => {
            return vec![finding(
                Level::Fail,
                error.to_string(),
                "Set tls.certificate and tls.key.",
            )];
        }
    };
    let Some(Ok(leaf)) = leaf.as_deref().map(Certificate::parse) else {
        return vec![finding(
            Level::Fail,
            format!("{}: not a certificate", path.display()),
            "Set tls.certificate.",
        )];
    };
    let mut findings = vec![expiry(
        "the TLS certificate",
        leaf.not_after,
        now,
        "Renew it; the server takes the new file by itself.",
    )];
    if config.tls.anchor.is_some() && !config.dev.enabled {
        findings.push(finding(
            Level::Warn,
            "the TLS certificate is from Russet's own CA: a device trusts it only after it has the profile",
            "Use a publicly trusted certificate: tls.certificate and tls.key, and remove tls.anchor.",
        ));
    }
    findings
}

fn expiry(what: &str, not_after: Timestamp, now: Timestamp, step: &'static str) -> Finding {
    let days = not_after.since(now).as_secs() / 86_400;
    match days {
        0 => finding(
            Level::Fail,
            format!("{what} has expired, or does so today ({not_after})"),
            step,
        ),
        1..30 => finding(
            Level::Warn,
            format!("{what} expires in {days} days ({not_after})"),
            step,
        ),
        _ => finding(Level::Ok, format!("{what} is valid for {days} more days"), ""),
    }
}

/// Whether real devices can be told from others when they come out of their boxes.
fn device_trust(data_dir: &DataDir, config: &Config) -> Vec<Finding> {
    let (trust, problems) = app::device_trust(data_dir, config);
    let mut findings: Vec<_> = problems
        .iter()
        .map(|(path, problem)| {
            let what = format!("{} is no anchor of devices: {problem}", path.display());
            finding(Level::Warn, what, "Remove the file, or put the right one there.")
        })
        .collect();
    let missing: Vec<_> = trust.missing().map(|authority| authority.name).collect();
    findings.push(if missing.is_empty() {
        finding(Level::Ok, "Apple's device CAs are at hand", "")
    } else if config.dev.enabled {
        finding(
            Level::Ok,
            "Apple's device CAs are missing, which development does not need",
            "",
        )
    } else {
        finding(
            Level::Warn,
            format!("Apple's device CAs are missing: {}", missing.join(", ")),
            "`russet ade trust fetch` downloads them, `russet ade trust add FILE` takes a file.",
        )
    });
    findings
}

async fn server(cli: &Cli) -> Vec<Finding> {
    let client = match remote::client(cli).await {
        Ok(client) => client,
        Err(error) => {
            return vec![finding(
                Level::Fail,
                format!("the server can't be opened: {}", error.message),
                "Mend that first; if another process holds the store, end it.",
            )];
        }
    };
    let mut findings = Vec::new();
    match client.request(Method::GET, "/readyz", Vec::new()).await {
        Ok(_) => findings.push(finding(Level::Ok, "the store can be read and written", "")),
        Err(error) => findings.push(finding(
            Level::Fail,
            format!("the store: {error}"),
            "Check the disk's free space and the log.",
        )),
    }
    match client
        .request(Method::GET, "/v1/push-certificates", Vec::new())
        .await
    {
        Err(error) => findings.push(finding(Level::Fail, format!("push certificates: {error}"), "")),
        Ok(answer) => {
            let all = answer.body["push_certificates"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            if all.is_empty() {
                findings.push(finding(
                    Level::Fail,
                    "there is no push certificate: no device can enroll",
                    "Ask for one: `russet push-cert csr`.",
                ));
            }
            findings.extend(all.iter().map(push_certificate));
        }
    }
    if !matches!(client, Client::Within(_))
        && let Ok(answer) = client.request(Method::GET, "/v1/pushes", Vec::new()).await
    {
        findings.extend(pushes(&answer.body));
    }
    match client.request(Method::GET, "/v1/hooks", Vec::new()).await {
        Err(error) => findings.push(finding(Level::Fail, format!("hooks: {error}"), "")),
        Ok(answer) => findings.extend(answer.body["hooks"].as_array().into_iter().flatten().map(hook)),
    }
    findings
}

fn hook(one: &Value) -> Finding {
    let name = one["name"].as_str().unwrap_or_default();
    let number = |key: &str| one[key].as_u64().unwrap_or(0);
    let (waiting, dead, dropped) = (number("waiting"), number("dead_letters"), number("dropped"));
    if let Some(since) = one["failing_since"].as_str() {
        let problem = one["last_problem"].as_str().unwrap_or_default();
        let what = format!("the hook {name} takes no events since {since}: {problem}; {waiting} wait");
        return finding(
            Level::Warn,
            what,
            "Look at its receiver; `russet hook test` tries it.",
        );
    }
    if dead > 0 {
        let what = format!("the hook {name} has {dead} dead letters");
        let step = "`russet hook deadletters` says why; `russet hook replay` sends them again, `--clear` forgets them.";
        return finding(Level::Warn, what, step);
    }
    if one["enabled"] == false {
        let what = format!("the hook {name} is disabled");
        return finding(
            Level::Warn,
            what,
            "`russet hook enable`, or `russet hook remove`.",
        );
    }
    if dropped > 0 {
        let what = format!("{dropped} events for the hook {name} were dropped because too much was waiting");
        let step =
            "Ask for what it missed another way; to begin counting anew, remove the hook and add it again.";
        return finding(Level::Warn, what, step);
    }
    finding(
        Level::Ok,
        format!("the hook {name} takes events; {waiting} wait"),
        "",
    )
}

/// What keeps pushes from leaving.
fn pushes(status: &Value) -> Vec<Finding> {
    if status["configured"] == false {
        let what = "no push service is configured: devices take their commands when they happen to connect";
        return vec![finding(
            Level::Warn,
            what,
            "Set apns.endpoint (a development server has none by itself).",
        )];
    }
    let mut findings = Vec::new();
    if let Some(since) = status["apns_down_since"].as_str() {
        findings.push(finding(
            Level::Fail,
            format!("APNs has not been reachable since {since}"),
            "Let this machine reach api.push.apple.com, port 443 or 2197; `russet push-cert test` tries at once.",
        ));
    }
    for alarm in status["alarms"].as_array().into_iter().flatten() {
        let [topic, reason, since] =
            ["topic", "reason", "since"].map(|field| alarm[field].as_str().unwrap_or_default());
        findings.push(finding(
            Level::Fail,
            format!("nothing has been pushed to {topic} since {since}: {reason}"),
            "Renew its push certificate: `russet push-cert show`. What waits leaves by itself then.",
        ));
    }
    if findings.is_empty() {
        findings.push(finding(
            Level::Ok,
            format!("pushes leave; {} pending", status["pending"]),
            "",
        ));
    }
    findings
}

/// By the server's own judgement, which knows the days of grace.
fn push_certificate(one: &Value) -> Finding {
    let [topic, level, not_after, grace_ends] =
        ["topic", "level", "not_after", "grace_ends"].map(|field| one[field].as_str().unwrap_or_default());
    let what = format!("the push certificate {topic}");
    let days = &one["days_until_expiration"];
    let renew =
        "Renew it with the same Apple Account, for another one has another topic: `russet push-cert renew`.";
    match level {
        "ok" => finding(Level::Ok, format!("{what} is valid for {days} more days"), ""),
        "warning" => finding(
            Level::Warn,
            format!("{what} expires in {days} days ({not_after})"),
            renew,
        ),
        "critical" => finding(
            Level::Fail,
            format!("{what} expires in {days} days ({not_after})"),
            renew,
        ),
        "expired" => finding(
            Level::Fail,
            format!("{what} expired on {not_after}; it can be renewed until {grace_ends}"),
            renew,
        ),
        _ => finding(
            Level::Fail,
            format!("{what} expired on {not_after}, and the time to renew it is over"),
            "Try to renew it all the same (`russet push-cert renew`); with another topic every device has to enroll again.",
        ),
    }
}

/// The MDM vendor's certificate, where there is one.
fn push_vendor(data_dir: &DataDir, config: &Config, now: Timestamp) -> Option<Finding> {
    let vendor = app::push_vendor(data_dir, config)?;
    let checked = vendor
        .map_err(|error| error.to_string())
        .and_then(|vendor| vendor.check(now).map_err(|error| error.to_string()));
    Some(match checked {
        Ok(()) => finding(Level::Ok, "the MDM vendor's certificate can sign requests", ""),
        Err(problem) => finding(
            Level::Warn,
            format!("the MDM vendor's certificate can't sign requests: {problem}"),
            "Mend push.vendor_certificate, push.vendor_key and push.vendor_chain.",
        ),
    })
}
