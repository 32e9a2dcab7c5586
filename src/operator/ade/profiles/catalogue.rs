//! `/v1/ade/panes` and `/v1/ade/presets`: what enrollment profiles are made of.

use std::collections::BTreeMap;

use axum::{extract::Extension, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    operator::{
        input::Query,
        render::{Failure, json_response},
    },
    protocol::ade::{self, AdePlatform, Pane, Preset, Settings},
    service::access::{Operator, Scope},
};

/// Whose panes.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::operator::ade) struct PaneQuery {
    /// Those of this platform; all if absent.
    #[param(inline)]
    platform: Option<AdePlatform>,
}

/// The panes of Setup Assistant.
#[derive(Serialize, ToSchema)]
pub(in crate::operator::ade) struct PaneList {
    /// By key.
    panes: Vec<PaneView>,
}

/// A pane of Setup Assistant.
#[derive(Serialize, ToSchema)]
struct PaneView {
    /// Apple's key.
    #[schema(value_type = String, example = "AppleID")]
    key: &'static str,
    /// What it is.
    #[schema(value_type = String)]
    title: &'static str,
    /// Other names that settings may use.
    #[schema(value_type = Vec<String>)]
    labels: &'static [&'static str],
    /// The versions that have it, by platform.
    #[schema(value_type = BTreeMap<String, SpanView>)]
    platforms: BTreeMap<&'static str, SpanView>,
}

/// In which versions of a system a pane is.
#[derive(Serialize, ToSchema)]
struct SpanView {
    /// The first.
    #[schema(example = "7.0")]
    since: String,
    /// The first that has it no more.
    until: Option<String>,
    /// `false`: it may show all the same, before the device has its profile.
    always_skippable: bool,
}

impl From<&Pane> for PaneView {
    fn from(pane: &Pane) -> Self {
        let spans = AdePlatform::ALL.into_iter().filter_map(|platform| {
            let span = pane.on(platform)?;
            let view = SpanView {
                since: span.since.to_string(),
                until: span.until.map(|until| until.to_string()),
                always_skippable: span.always,
            };
            Some((platform.as_str(), view))
        });
        Self {
            key: pane.key,
            title: pane.title,
            labels: pane.labels,
            platforms: spans.collect(),
        }
    }
}

/// The panes of Setup Assistant, which profiles may hide.
#[utoipa::path(
    get, path = "/v1/ade/panes", tag = "ade", operation_id = "list_panes",
    params(PaneQuery),
    responses((status = 200, description = "The catalogue.", body = PaneList)),
    security(("bearer" = ["read"]))
)]
pub(in crate::operator::ade) async fn panes(
    Extension(operator): Extension<Operator>,
    Query(query): Query<PaneQuery>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let has = |pane: &&Pane| query.platform.is_none_or(|platform| pane.on(platform).is_some());
    let panes = ade::panes().iter().filter(has).map(PaneView::from).collect();
    Ok(json_response(StatusCode::OK, &PaneList { panes }))
}

/// Settings to begin with.
#[derive(Serialize, ToSchema)]
pub(in crate::operator::ade) struct PresetList {
    /// By name.
    presets: Vec<PresetView>,
}

/// Settings to begin with.
#[derive(Serialize, ToSchema)]
struct PresetView {
    /// Its name.
    #[schema(value_type = String)]
    name: &'static str,
    /// What it is for.
    #[schema(value_type = String)]
    purpose: &'static str,
    /// The settings, over which others are laid.
    #[schema(value_type = Settings)]
    settings: serde_json::Value,
}

impl From<Preset> for PresetView {
    fn from(preset: Preset) -> Self {
        Self {
            name: preset.name,
            purpose: preset.purpose,
            settings: preset.settings,
        }
    }
}

/// Presets: settings that a new profile may begin with.
#[utoipa::path(
    get, path = "/v1/ade/presets", tag = "ade", operation_id = "list_presets",
    responses((status = 200, description = "All of them.", body = PresetList)),
    security(("bearer" = ["read"]))
)]
pub(in crate::operator::ade) async fn presets(
    Extension(operator): Extension<Operator>,
) -> Result<Response, Failure> {
    operator.require(Scope::Read)?;
    let presets = ade::presets().into_iter().map(PresetView::from).collect();
    Ok(json_response(StatusCode::OK, &PresetList { presets }))
}
