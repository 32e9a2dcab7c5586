//! Spans on their way to the collector: in batches, each tried once. Traces are for looking, not for keeping: what the
//! collector does not take is dropped and counted.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};

use super::{Span, Spans};
use crate::outbound::{Outbound, OutboundMethod, OutboundRequest, Target};

/// So many spans go in one request.
const BATCH: usize = 512;

/// A batch that is not full leaves after so long.
const EVERY: Duration = Duration::from_secs(2);

/// For one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Exports spans to the collector whose traces' address `target` is, until `stop` turns true; then what is left.
pub async fn export(
    mut spans: Spans,
    target: Target,
    outbound: Arc<dyn Outbound>,
    mut stop: watch::Receiver<bool>,
) {
    let mut well = true;
    let mut stopped = false;
    while !stopped {
        let mut batch = Vec::new();
        let gathered = async { while batch.len() < BATCH && spans.recv_many(&mut batch, BATCH).await > 0 {} };
        tokio::select! {
            _ = timeout(EVERY, gathered) => {}
            _ = stop.wait_for(|stop| *stop) => stopped = true,
        }
        if stopped {
            while let Ok(span) = spans.try_recv() {
                batch.push(span);
            }
        }
        if batch.is_empty() {
            continue;
        }
        let problem = send(&batch, &target, outbound.as_ref()).await.err();
        if let Some(why) = &problem {
            metrics::counter!("russet_spans_dropped_total").increment(batch.len() as u64);
            if well {
                tracing::warn!("the telemetry collector takes no traces: {why}");
            }
        } else if !well {
            tracing::info!("the telemetry collector takes traces again");
        }
        well = problem.is_none();
    }
}

async fn send(batch: &[Span], target: &Target, outbound: &dyn Outbound) -> Result<(), String> {
    let request = OutboundRequest {
        method: OutboundMethod::Post,
        target: target.clone(),
        headers: vec![("content-type", "application/json".to_owned())],
        body: traces(batch).to_string().into(),
        any_address: false,
        timeout: PATIENCE,
        answer_limit: 64 * 1024,
    };
    match outbound.send(request).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(format!("it answers {}", answer.status)),
        Err(failure) => Err(failure.to_string()),
    }
}

/// An `ExportTraceServiceRequest`.
fn traces(batch: &[Span]) -> Value {
    let resource = [
        ("service.name", "russet"),
        ("service.version", env!("CARGO_PKG_VERSION")),
    ];
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource.map(|(key, value)| text(key, value)) },
        "scopeSpans": [{
            "scope": { "name": "russet" },
            "spans": batch.iter().map(span).collect::<Vec<_>>(),
        }],
    }] })
}

fn span(span: &Span) -> Value {
    let field = |name: &str| span.fields.get(name).map(String::as_str).unwrap_or_default();
    let (method, route, status) = (field("method"), field("route"), field("status"));
    // Of a server's spans, only its own failures are errors.
    let code = if status.starts_with('5') { 2 } else { 0 };
    let mut told = json!({
        "traceId": span.trace,
        "spanId": span.id,
        "name": format!("{method} {route}"),
        "kind": 2,
        "startTimeUnixNano": span.start_nanos.to_string(),
        "endTimeUnixNano": span.end_nanos.to_string(),
        "attributes": [
            text("http.request.method", method),
            text("http.route", route),
            json!({ "key": "http.response.status_code", "value": { "intValue": status } }),
            text("russet.request_id", field("id")),
        ],
        "status": { "code": code },
    });
    if let Some(parent) = &span.parent {
        told["parentSpanId"] = parent.as_str().into();
    }
    told
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_batch_is_what_the_protocol_says() {
        let fields = [
            ("method", "PUT"),
            ("route", "/mdm"),
            ("status", "503"),
            ("id", "ticket-4711"),
        ];
        let batch = traces(&[Span {
            trace: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
            id: "00f067aa0ba902b7".into(),
            parent: None,
            start_nanos: 1_795_300_000_123_000_000,
            end_nanos: 1_795_300_000_124_000_000,
            fields: BTreeMap::from(fields.map(|(key, value)| (key, value.to_owned()))),
        }]);
        let span = &batch["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(span["name"], "PUT /mdm");
        // 64-bit numbers are texts in this form.
        assert_eq!(span["startTimeUnixNano"], "1795300000123000000");
        assert_eq!(span["status"]["code"], 2);
        assert_eq!(span["attributes"][2]["value"]["intValue"], "503");
        assert!(span.get("parentSpanId").is_none());
    }
}
