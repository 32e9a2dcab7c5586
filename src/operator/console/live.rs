//! Parts of pages that keep themselves up to date, by server-sent events (WHATWG HTML, "Server-sent events").
//!
//! A stream ends after a while, and the browser opens it anew: so whoever is no longer allowed to look sees nothing for
//! long, and a server that stops does not wait for pages that are left open.

use std::{collections::HashMap, future::Future, time::Duration};

use axum::response::{
    IntoResponse as _, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::stream;
use maud::Markup;

use crate::protocol::time::Timestamp;

/// How often is looked.
const RHYTHM: Duration = Duration::from_secs(2);

/// How often, before the stream ends.
const LOOKS: u32 = 30;

/// Now, without its seconds: so that what is shown changes when something happens, and not with every second.
pub(super) fn to_the_minute(now: Timestamp) -> Timestamp {
    now.minus(Duration::from_secs(now.seconds().rem_euclid(60).unsigned_abs()))
}

/// Looks again and again, and sends what is different from before: each part under its name.
pub(super) fn stream<F, R>(look: F) -> Response
where
    F: Fn() -> R + Send + 'static,
    R: Future<Output = Vec<(&'static str, Markup)>> + Send,
{
    struct State<F> {
        look: F,
        looks: u32,
        shown: HashMap<&'static str, String>,
        waiting: Vec<Event>,
    }
    let begin = State {
        look,
        looks: 0,
        shown: HashMap::new(),
        waiting: Vec::new(),
    };
    let events = stream::unfold(begin, async |mut state| {
        loop {
            if let Some(event) = state.waiting.pop() {
                return Some((Ok::<_, std::convert::Infallible>(event), state));
            }
            if state.looks == LOOKS {
                return None;
            }
            if state.looks > 0 {
                tokio::time::sleep(RHYTHM).await;
            }
            state.looks += 1;
            for (name, part) in (state.look)().await {
                let text = part.into_string();
                if state.shown.get(name) != Some(&text) {
                    state.waiting.push(Event::default().event(name).data(&text));
                    state.shown.insert(name, text);
                }
            }
        }
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
        .into_response()
}
