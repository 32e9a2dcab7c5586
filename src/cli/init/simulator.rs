//! `russet init --simulator`: a development server that speaks to the fakes of Apple's services instead of Apple's.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use crate::{
    cli::{
        output::{CliError, EXIT_FAILED},
        wait::until,
    },
    config::Config,
};

/// What `russet-sim apple` writes once it is ready.
const FILE: &str = "apple.json";

/// It may have been started together with us.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the fakes are. Files are relative to the directory.
#[derive(Deserialize)]
struct Apple {
    abm: Fake,
    apns: Fake,
    device_ca: PathBuf,
}

/// One of them.
#[derive(Deserialize)]
struct Fake {
    endpoint: String,
    anchor: PathBuf,
}

/// Has the server speak to the fakes whose directory this is, and believe their devices.
pub(super) async fn use_for_apple(config: &mut Config, folder: &Path) -> Result<(), CliError> {
    let apple = apple(folder).await?;
    let file = |name: &Path| {
        let path = folder.join(name);
        fs::canonicalize(&path).unwrap_or(path)
    };
    config.ade.base_url = apple.abm.endpoint;
    config.ade.ca_file = Some(file(&apple.abm.anchor));
    config.ade.simulated_ca = Some(file(&apple.device_ca));
    // A fake may be asked as often as one likes.
    config.ade.manual_min_interval = Duration::ZERO;
    config.ade.full_min_interval = Duration::ZERO;
    config.apns.endpoint = apple.apns.endpoint;
    config.apns.ca_file = Some(file(&apple.apns.anchor));
    Ok(())
}

async fn apple(folder: &Path) -> Result<Apple, CliError> {
    let path = folder.join(FILE);
    let text = until(PATIENCE, async || fs::read(&path).ok()).await;
    let refused = |problem: String, step: &str| {
        CliError::new(
            EXIT_FAILED,
            "no_simulator",
            format!("{}: {problem}", path.display()),
            step,
        )
    };
    let text = text.ok_or_else(|| {
        let step = "Start `russet-sim apple`, in the background or in another terminal; --data tells it the directory.";
        refused("there is no such file".into(), step)
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        refused(
            error.to_string(),
            "Remove the file and start `russet-sim apple` again.",
        )
    })
}
