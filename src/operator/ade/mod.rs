//! Automated Device Enrollment: the native resources under `/v1/ade`, and NanoDEP's API as its tools know it.

mod accounts;
mod apple;
mod assignments;
pub(super) mod devices;
mod devices_view;
mod nanodep;
mod profiles;
mod refusals;
mod sync;
mod sync_view;
mod tokens;
mod tokens_view;

use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Routes;

/// The routes of this part.
pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::remove))
        .routes(routes!(apple::activation_lock))
        .routes(routes!(apple::beta_tokens))
        .routes(routes!(apple::replacement))
        .routes(routes!(
            apple::service_discovery,
            apple::set_service_discovery,
            apple::remove_service_discovery
        ))
        .routes(routes!(assignments::assign))
        .routes(routes!(assignments::disown))
        .routes(routes!(devices::list))
        .routes(routes!(devices::show, devices::forget))
        .routes(routes!(devices::why))
        .routes(routes!(profiles::list, profiles::create))
        .routes(routes!(
            profiles::show,
            profiles::edit::change,
            profiles::edit::replace,
            profiles::remove
        ))
        .routes(routes!(profiles::set_default, profiles::unset_default))
        .routes(routes!(profiles::import))
        .routes(routes!(profiles::catalogue::panes))
        .routes(routes!(profiles::catalogue::presets))
        .routes(routes!(refusals::list))
        .routes(routes!(sync::show, sync::start))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::show, tokens::change, tokens::remove))
        .routes(routes!(tokens::import))
        .routes(routes!(tokens::renew))
        .merge(nanodep::routes())
}

/// Of which server token.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct TokenQuery {
    /// The server token's name; the default one if absent.
    token: Option<String>,
}
