//! `russet serve`.

use std::io::IsTerminal as _;

use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use super::output::{self, CliError, EXIT_FAILED, Output};
use crate::{
    app::{App, Listeners, export_spans},
    clock::Clock,
    config::{Config, TlsMode},
    data_dir::DataDir,
    metrics,
    telemetry::{self, Spans},
};

/// Runs the server until SIGTERM or SIGINT. One line on standard output says that it is ready, and where.
pub(super) async fn run(output: Output, data_dir: &DataDir, i_know: bool) -> Result<(), CliError> {
    let config = Config::load(data_dir.root())?;
    config.check_exposure(i_know)?;
    let spans = log(output, &config);
    metrics::count_panics();
    let signals = |error| CliError::new(EXIT_FAILED, "no_signals", error, "Start it again.");
    let mut hangup = signal(SignalKind::hangup()).map_err(signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;

    // The store's lock comes first: a second server must not get as far as taking the first one's socket away.
    let listeners = Listeners::bind(&config).await?;
    let app = App::open(
        data_dir,
        &config,
        Clock::system(),
        listeners.device_address,
        metrics::recorder(),
    )?;
    let listeners = listeners.with_local_socket(data_dir.root());
    warn_of_risks(&config);

    let device = config.public_url(listeners.device_address);
    let operator_scheme = if listeners.operator_address.ip().is_loopback() {
        "http"
    } else {
        "https"
    };
    let operator = format!("{operator_scheme}://{}", listeners.operator_address);
    let link = app.access().setup_links.first(Clock::system().now()).await?;
    let setup_url = link.map(|link| {
        format!(
            "{}{}",
            config.operator_url(listeners.operator_address),
            link.path()
        )
    });
    let device_listener = match config.tls.mode {
        TlsMode::Files => format!("https://{}", listeners.device_address),
        TlsMode::Proxy => format!("http://{}", listeners.device_address),
    };
    output.say(
        &format!("russet ready: device {device_listener} (public {device}) operator {operator}"),
        &json!({
            "ready": true,
            "device": device_listener,
            "operator": operator,
            "public_url": device,
            "data": data_dir.root(),
            "dev": config.dev.enabled,
            "setup_url": setup_url,
        }),
    );
    if let Some(url) = setup_url.filter(|_| !output.json) {
        // Not by the log: whoever has the link makes the first administrator.
        output::aside(format_args!(
            "there is no user yet; make the first administrator at {url} (once, within 15 minutes)"
        ));
    }

    let (stop, stopped) = watch::channel(false);
    let (reload, reloads) = watch::channel(());
    if let Some(spans) = spans {
        export_spans(data_dir, &config, spans, stopped.clone())?;
    }
    let server = tokio::spawn(app.run(listeners, stopped, reloads));
    loop {
        tokio::select! {
            _ = hangup.recv() => drop(reload.send(())),
            _ = terminate.recv() => break,
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    tracing::info!("draining");
    let _ = stop.send(true);
    server
        .await
        .map_err(|error| CliError::new(EXIT_FAILED, "crashed", error, "See the log."))
}

/// Begins to log; and to keep the spans of requests, if a collector wants them.
fn log(output: Output, config: &Config) -> Option<Spans> {
    let filter = EnvFilter::try_from_env("RUSSET_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // Below that, h2 writes down what a peer says in a GOAWAY; nobody knows what that holds.
    let discreet = filter_fn(|event| !event.target().starts_with("h2") || *event.level() <= Level::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let watched = config.telemetry.otlp_endpoint.as_ref();
    let (layer, spans) = watched.map(|_| telemetry::layer(Clock::system())).unzip();
    let registry = tracing_subscriber::registry()
        .with(filter)
        .with(discreet)
        .with(layer);
    // A second subscriber in one process is a test's affair, and the first one serves.
    let _ = if output.json {
        registry.with(lines.json()).try_init()
    } else {
        registry
            .with(lines.fmt_fields(telemetry::lines::fields()))
            .try_init()
    };
    spans
}

fn warn_of_risks(config: &Config) {
    if config.dev.enabled {
        tracing::warn!("DEVELOPMENT MODE: anyone on this machine can enroll; never use it for real devices");
    }
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
}
