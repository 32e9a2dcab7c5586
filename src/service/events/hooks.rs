//! Hooks: making, changing, showing and trying them.

use serde_json::json;

use super::{
    Events,
    delivery::{Outcome, credentials_purpose, secret_purpose},
    record,
};
use crate::{
    error::{Code, Error, Result},
    outbound::{Target, guard},
    pki::secret::Secret,
    protocol::time::Timestamp,
    service::{
        keys::check_name,
        revision::{Expected, Revision},
    },
    storage::{HookFigures, HookFormat, HookRecord},
};

/// Each hook gets a copy of each event: more than a few are a mistake.
const MAX_HOOKS: usize = 32;

/// No secret to sign with is longer, in bytes.
const MAX_SECRET: usize = 1024;

/// What MicroMDM tells.
const MICROMDM_TOPICS: [&str; 6] = [
    "mdm.Authenticate",
    "mdm.CheckOut",
    "mdm.Connect",
    "mdm.GetBootstrapToken",
    "mdm.SetBootstrapToken",
    "mdm.TokenUpdate",
];

/// Of `mdm.Connect`.
const STATUSES: [&str; 5] = ["Acknowledged", "CommandFormatError", "Error", "Idle", "NotNow"];

/// A hook that an operator asks for.
#[derive(Clone, Default)]
pub struct NewHook {
    /// Its name.
    pub name: String,
    /// Where events go; may hold a user name and a password.
    pub url: String,
    /// Whose JSON it gets.
    pub format: HookFormat,
    /// The topics that it wants; what its format is for if there are none.
    pub topics: Vec<String>,
    /// Of `mdm.Connect`, the statuses that it wants; all if there are none.
    pub statuses: Vec<String>,
    /// Signs what is sent.
    pub secret: Option<String>,
    /// Whether it may be at an address that is refused otherwise.
    pub allow_any_address: bool,
}

/// What is to be different about a hook; what is absent stays.
#[derive(Clone, Default)]
pub struct HookChange {
    /// Whether it gets events.
    pub enabled: Option<bool>,
    /// Where events go.
    pub url: Option<String>,
    /// The topics that it wants.
    pub topics: Option<Vec<String>>,
    /// Of `mdm.Connect`, the statuses that it wants; empty means all.
    pub statuses: Option<Vec<String>>,
    /// Signs what is sent; an empty one ends that.
    pub secret: Option<String>,
    /// What the hook has to be like before.
    pub expected: Expected,
}

/// A hook, and how it is doing.
#[derive(Clone, Debug)]
pub struct HookView {
    /// What was asked for.
    pub record: HookRecord,
    /// How much it has waiting.
    pub figures: HookFigures,
    /// When it last took an event, since the server began.
    pub last_delivered_at: Option<Timestamp>,
    /// Since when it has taken none, if the latest attempt has failed.
    pub failing_since: Option<Timestamp>,
    /// What the latest failure was.
    pub last_problem: Option<String>,
}

/// What became of a test.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    /// The id of the event that was sent.
    pub event_id: String,
    /// What went wrong; `None` if the hook has taken it.
    pub problem: Option<String>,
}

impl HookView {
    /// What an operator has set.
    pub fn revision(&self) -> Revision {
        Revision::of(&self.record)
    }
}

impl Events {
    /// Makes a hook. It gets what happens from now on.
    pub async fn add_hook(&self, new: NewHook, now: Timestamp) -> Result<HookView> {
        check_name(&new.name)?;
        if self.store.hooks().await?.len() >= MAX_HOOKS {
            return Err(Error::with(Code::HookLimit, format!("{MAX_HOOKS} at most")));
        }
        let target = target(&new.url, new.allow_any_address)?;
        let topics = match (new.topics.is_empty(), new.format) {
            (false, _) => new.topics,
            (true, HookFormat::Micromdm) => MICROMDM_TOPICS.map(str::to_owned).into(),
            (true, HookFormat::Nanomdm) => vec!["mdm.*".into()],
        };
        check_filter(&topics, &new.statuses)?;
        let mut hook = HookRecord {
            number: 0,
            url: target.url(),
            format: new.format,
            topics,
            statuses: new.statuses,
            secret: None,
            credentials: None,
            allow_any_address: new.allow_any_address,
            enabled: true,
            created_at: now,
            name: new.name,
        };
        self.protect(&mut hook, &target, new.secret.as_deref())?;
        let name = hook.name.clone();
        let added = self.store.add_hook(hook).await?;
        let added = added.ok_or_else(|| Error::with(Code::HookExists, name))?;
        self.load().await?;
        self.view(added).await
    }

    /// Changes a hook.
    pub async fn change_hook(&self, name: &str, change: HookChange) -> Result<HookView> {
        loop {
            let before = self.stored_hook(name).await?;
            change.expected.check(&Revision::of(&before))?;
            let after = self.changed(&before, &change)?;
            // Somebody else may have been faster; then it is looked at again.
            if after == before || self.store.update_hook(before, after.clone()).await? {
                self.load().await?;
                return self.view(after).await;
            }
        }
    }

    /// The hook after the change.
    fn changed(&self, before: &HookRecord, change: &HookChange) -> Result<HookRecord> {
        let mut hook = before.clone();
        if let Some(url) = &change.url {
            let target = target(url, hook.allow_any_address)?;
            hook.url = target.url();
            hook.credentials = None;
            self.protect(&mut hook, &target, None)?;
        }
        if let Some(topics) = &change.topics {
            hook.topics.clone_from(topics);
        }
        if let Some(statuses) = &change.statuses {
            hook.statuses.clone_from(statuses);
        }
        check_filter(&hook.topics, &hook.statuses)?;
        match change.secret.as_deref() {
            None => {}
            Some("") => hook.secret = None,
            Some(secret) => self.give_secret(&mut hook, secret)?,
        }
        hook.enabled = change.enabled.unwrap_or(hook.enabled);
        Ok(hook)
    }

    /// Removes a hook, and what waits for it.
    pub async fn remove_hook(&self, name: &str, expected: &Expected) -> Result<()> {
        expected.check(&Revision::of(&self.stored_hook(name).await?))?;
        if !self.store.remove_hook(name).await? {
            return Err(Error::with(Code::HookUnknown, name));
        }
        self.load().await?;
        Ok(())
    }

    /// All hooks, by name.
    pub async fn hooks(&self) -> Result<Vec<HookView>> {
        let mut views = Vec::new();
        for record in self.store.hooks().await? {
            views.push(self.view(record).await?);
        }
        Ok(views)
    }

    /// One hook.
    pub async fn hook(&self, name: &str) -> Result<HookView> {
        self.view(self.stored_hook(name).await?).await
    }

    /// Sends a hook an event of the topic `russet.test`, whatever its filter, and waits for what comes of it.
    pub async fn test_hook(&self, name: &str, now: Timestamp) -> Result<TestOutcome> {
        let hook = self.stored_hook(name).await?;
        let event = record("russet.test".into(), now)?;
        let payload = json!({ "hook": name, "test": true }).to_string();
        let outcome = self.deliver(&hook, &event, payload.into(), now).await;
        Ok(TestOutcome {
            event_id: event.id,
            problem: match outcome {
                Outcome::Delivered | Outcome::Gone => None,
                Outcome::Failed { problem, .. } => Some(problem),
            },
        })
    }

    pub(super) async fn stored_hook(&self, name: &str) -> Result<HookRecord> {
        let hooks = self.store.hooks().await?;
        let hook = hooks.into_iter().find(|hook| hook.name == name);
        hook.ok_or_else(|| Error::with(Code::HookUnknown, format!("{name:?}")))
    }

    async fn view(&self, record: HookRecord) -> Result<HookView> {
        let figures = self.store.hook_figures(record.number).await?;
        let hooks = self.hooks.load();
        let in_use = hooks.iter().find(|hook| hook.number == record.number);
        let state = in_use.map(|hook| hook.state().clone()).unwrap_or_default();
        Ok(HookView {
            record,
            figures,
            last_delivered_at: state.last_delivered_at,
            failing_since: state.failing_since,
            last_problem: state.last_problem,
        })
    }

    fn give_secret(&self, hook: &mut HookRecord, secret: &str) -> Result<()> {
        let is_sound = (1..=MAX_SECRET).contains(&secret.len()) && !secret.chars().any(char::is_control);
        if !is_sound {
            let text = format!("is not 1 to {MAX_SECRET} bytes without control characters");
            return Err(Error::invalid("secret", text));
        }
        hook.secret = Some(self.seal(&secret_purpose(&hook.name), secret.as_bytes())?);
        Ok(())
    }

    /// Seals what is secret about a hook.
    fn protect(&self, hook: &mut HookRecord, target: &Target, secret: Option<&str>) -> Result<()> {
        if let Some(secret) = secret {
            self.give_secret(hook, secret)?;
        }
        if let Some(credentials) = target.credentials() {
            hook.credentials = Some(self.seal(&credentials_purpose(&hook.name), credentials.as_bytes())?);
        }
        Ok(())
    }
}

/// A secret to sign with, for an operator who has none.
pub fn generate_secret() -> Result<Secret> {
    Secret::generate().map_err(Error::internal)
}

/// Reads a hook's URL. One that names a refused address is refused here already; a name is looked up when it is used.
fn target(url: &str, any_address: bool) -> Result<Target> {
    let target = Target::parse(url).map_err(|error| Error::invalid("url", error.to_string()))?;
    let objection = target.address().and_then(guard::objection);
    match objection.filter(|_| !any_address) {
        Some(objection) => Err(Error::invalid(
            "url",
            format!("{objection}; `allow_any_address` allows it all the same"),
        )),
        None => Ok(target),
    }
}

fn check_filter(topics: &[String], statuses: &[String]) -> Result<()> {
    let is_topic = |topic: &String| {
        let name = topic.strip_suffix('*').unwrap_or(topic);
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !topic.is_empty() && topic.len() <= 64 && name.chars().all(fits)
    };
    if topics.is_empty() || topics.len() > 64 || !topics.iter().all(is_topic) {
        return Err(Error::invalid(
            "topics",
            "are 1 to 64 such as mdm.Connect, mdm.* or russet.*",
        ));
    }
    if !statuses.iter().all(|status| STATUSES.contains(&status.as_str())) {
        return Err(Error::invalid(
            "statuses",
            format!("are any of {}", STATUSES.join(", ")),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_can_not_be_meant_are_refused() {
        let check = |topics: &[&str], statuses: &[&str]| {
            let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            check_filter(&own(topics), &own(statuses)).is_ok()
        };
        assert!(check(&["mdm.*", "russet.clock_jump", "*"], &["Idle", "Error"]));
        assert!(!check(&[], &[]) && !check(&[""], &[]) && !check(&["mdm.*x"], &[]));
        assert!(!check(&["mdm Connect"], &[]) && !check(&["*"], &["idle"]));
    }

    #[test]
    fn k_w6_a_url_that_names_a_metadata_service_is_refused_unless_allowed() {
        for url in [
            "http://169.254.169.254/latest",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:169.254.169.254]/",
        ] {
            assert_eq!(
                target(url, false).unwrap_err().code(),
                Code::FieldInvalid,
                "{url}"
            );
            assert!(target(url, true).is_ok());
        }
        assert!(target("http://127.0.0.1:9000/hook", false).is_ok());
        assert!(target("ftp://example.com/", true).is_err());
    }
}
