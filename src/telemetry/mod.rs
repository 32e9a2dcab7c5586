//! Traces of requests for an OpenTelemetry collector, if one is configured: a layer under `tracing` that keeps what
//! each request's span says ([`net::log`](crate::net::log) makes them, without secrets), and the export.
//!
//! The export speaks OTLP/HTTP in its JSON form (OpenTelemetry Protocol 1, "JSON Protobuf Encoding"), which every
//! collector takes, over the server's own HTTP client. The crates for it would bring a second stack of clients, gRPC's.

mod export;
pub mod lines;

use std::{collections::BTreeMap, fmt};

use tokio::{sync::mpsc, time::Instant};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};
use uuid::Uuid;

pub use export::export;

use crate::clock::Clock;

/// So many spans wait for their export; what comes then is dropped.
const WAITING: usize = 4_096;

/// The name of the spans that are kept.
const REQUEST: &str = "request";

/// A request that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// 32 hexadecimal digits.
    trace: String,
    /// 16 hexadecimal digits.
    id: String,
    /// The caller's span.
    parent: Option<String>,
    /// Since 1970.
    start_nanos: i128,
    /// Since 1970.
    end_nanos: i128,
    /// `method`, `route`, `status`, and `id`, the request's name.
    fields: BTreeMap<&'static str, String>,
}

/// Keeps the spans of requests.
#[derive(Debug)]
pub struct SpanLayer {
    spans: mpsc::Sender<Span>,
    clock: Clock,
}

/// What waits for its export.
pub type Spans = mpsc::Receiver<Span>;

/// The layer, and what comes out of it.
pub fn layer(clock: Clock) -> (SpanLayer, Spans) {
    let (spans, waiting) = mpsc::channel(WAITING);
    (SpanLayer { spans, clock }, waiting)
}

/// A span that is not over.
struct Open {
    since: Instant,
    fields: BTreeMap<&'static str, String>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SpanLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id).filter(|span| span.name() == REQUEST) else {
            return;
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(Open {
            since: now(),
            fields: fields.0,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            let mut fields = Fields::default();
            values.record(&mut fields);
            open.fields.append(&mut fields.0);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let open = context
            .span(&id)
            .and_then(|span| span.extensions_mut().remove::<Open>());
        let Some(Open { since, mut fields }) = open else {
            return;
        };
        let end_nanos = i128::from(self.clock.now().millis()) * 1_000_000;
        let taken = i128::try_from(since.elapsed().as_nanos()).unwrap_or(0);
        let span = Span {
            trace: trace(&mut fields),
            id: Uuid::new_v4().simple().to_string()[..16].to_owned(),
            parent: fields.remove("parent"),
            start_nanos: end_nanos - taken,
            end_nanos,
            fields,
        };
        if self.spans.try_send(span).is_err() {
            metrics::counter!("russet_spans_dropped_total").increment(1);
        }
    }
}

/// The caller's trace; or else the request's own name, if it has that form.
fn trace(fields: &mut BTreeMap<&'static str, String>) -> String {
    let is_id = |text: &String| {
        text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let own = |fields: &BTreeMap<_, String>| fields.get("id").map(|id| id.replace('-', ""));
    let given = fields.remove("trace").or_else(|| own(fields));
    given
        .filter(is_id)
        .unwrap_or_else(|| Uuid::new_v4().simple().to_string())
}

/// The fields of a span, as text.
#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the outermost layer for time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn the_spans_of_requests_are_kept_with_what_is_recorded_later_and_no_others() {
        let (layer, mut spans) = layer(Clock::system());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
            let span = tracing::info_span!(
                "request", id = %"ticket-4711", method = %"GET", route = "/v1/status",
                status = tracing::field::Empty, trace = tracing::field::Empty, parent = tracing::field::Empty
            );
            span.record("trace", trace).record("parent", "00f067aa0ba902b7");
            span.record("status", 200_u16);
            drop(tracing::info_span!("other", secret = "x"));
        });
        let span = spans.try_recv().unwrap();
        assert_eq!(span.trace, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.parent.as_deref(), Some("00f067aa0ba902b7"));
        assert_eq!(span.fields["status"], "200");
        assert_eq!(span.fields["route"], "/v1/status");
        assert!(span.end_nanos >= span.start_nanos);
        assert!(spans.try_recv().is_err());
    }
}
