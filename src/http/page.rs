//! The few pages that a person's browser may meet at the device-facing door.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{Html, IntoResponse as _, Response},
};

use super::DeviceDoor;

const STYLE: &str = "label{display:block;margin:.8rem 0 .2rem}input{font:inherit;width:100%;padding:.5rem;box-sizing:border-box}\
button{font:inherit;margin-top:1.2rem;padding:.7rem 1.4rem;border:0;border-radius:.6rem;background:#8a3b12;color:#fff}\
.problem{border-left:.3rem solid #b00020;padding-left:.8rem}body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:4rem auto;padding:0 1rem;\
color:#1d1d1f;background:#fff}a.button{display:inline-block;padding:.7rem 1.4rem;border-radius:.6rem;background:#8a3b12;\
color:#fff;text-decoration:none}.banner{background:#fff3cd;padding:.5rem 1rem;border-radius:.5rem}\
@media(prefers-color-scheme:dark){body{color:#f5f5f7;background:#1d1d1f}.banner{color:#1d1d1f}}";

/// What this server is, for whoever opens it by accident.
pub(super) async fn welcome(State(door): State<Arc<DeviceDoor>>) -> Response {
    page(
        "Russet",
        "<h1>Russet</h1><p>This is a device management server. Devices talk to it by themselves; there is nothing \
         to see here.</p><p>If your organization asked you to enroll this device, open the enrollment link that it \
         sent you.</p>",
        door.development,
    )
}

/// What an enrollment profile is, with a button to get it.
pub(super) fn enroll(query: &str, development: bool) -> Response {
    let query = escape(query);
    let separator = if query.is_empty() { "" } else { "&amp;" };
    page(
        "Enroll this device",
        &format!(
            "<h1>Enroll this device</h1><p>The next step downloads a management profile. Once you have installed it, \
             your organization can configure this device, install apps and settings on it, and, if the device is \
             lost, lock or erase it.</p><p>On an iPhone or iPad, open <b>Settings</b> after the download and tap \
             <b>Profile Downloaded</b>. On a Mac, open <b>System Settings</b> and search for <b>Profiles</b>.</p>\
             <p><a class=\"button\" href=\"?{query}{separator}download=1\">Download the profile</a></p>"
        ),
        development,
    )
}

pub(super) fn page(title: &str, body: &str, development: bool) -> Response {
    let banner = if development {
        "<p class=\"banner\">Development server: anyone on this machine can enroll here.</p>"
    } else {
        ""
    };
    Html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\
         <body>{banner}{body}</body></html>"
    ))
    .into_response()
}

/// The style of every page, for whoever states what a page may contain.
pub(super) fn style() -> &'static str {
    STYLE
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
