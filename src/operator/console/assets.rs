//! Style, scripts and icon. They lie in the binary; each address holds a hash of the content, so that a browser may keep
//! what it has for ever.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};

/// A file of the console.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static [u8],
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: [Asset; 6] = [
    Asset {
        name: "console.js",
        media_type: SCRIPT,
        content: include_bytes!("assets/console.js"),
    },
    Asset {
        name: "explorer.js",
        media_type: SCRIPT,
        content: include_bytes!("assets/explorer.js"),
    },
    Asset {
        name: "htmx.min.js",
        media_type: SCRIPT,
        content: include_bytes!("assets/htmx.min.js"),
    },
    Asset {
        name: "icon.svg",
        media_type: "image/svg+xml",
        content: include_bytes!("assets/icon.svg"),
    },
    Asset {
        name: "sse.min.js",
        media_type: SCRIPT,
        content: include_bytes!("assets/sse.min.js"),
    },
    Asset {
        name: "style.css",
        media_type: "text/css; charset=utf-8",
        content: include_bytes!("assets/style.css"),
    },
];

/// One hash of all: they change together, with the program.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let all: Vec<u8> = ASSETS.iter().flat_map(|asset| asset.content).copied().collect();
    let digest = digest(&SHA256, &all);
    let bytes = digest.as_ref().iter().take(8);
    bytes.map(|byte| format!("{byte:02x}")).collect()
});

/// Where a file is.
pub(super) fn address(name: &str) -> String {
    format!("/assets/{}/{name}", *HASH)
}

/// A file. Whoever still has a page of an earlier program gets the present one, but may not keep it.
pub(super) async fn file(Path((hash, name)): Path<(String, String)>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let caching = match hash == *HASH {
        true => "public, max-age=31536000, immutable",
        false => "no-store",
    };
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, caching),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, asset.content).into_response()
}

/// Where browsers look for an icon that no page has named.
pub(super) async fn favicon() -> Response {
    file(Path((HASH.clone(), "icon.svg".into()))).await
}
