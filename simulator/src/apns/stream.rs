//! One push on its stream: read, judged, answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use h2::server::SendResponse;
use h2::{Reason as Code, RecvStream};
use hyper::body::Bytes;
use hyper::{Request, Response};

use super::connection::Connection;
use super::faults::Answer;
use super::hub::Outcome;
use super::log::{Answered, Record};
use super::notification::{Body, MAX_PAYLOAD, Notification, Push};
use crate::clock;

/// Of a body that is too large so much is read before the answer.
const MAX_READ: usize = 1 << 20;

/// Answers a push, and records what became of it however it ends.
pub(super) async fn answer(
    connection: &Arc<Connection>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let (head, body) = request.into_parts();
    let notification = Notification::read(&head);
    let record = Record::of(
        &notification,
        &connection.peer,
        connection.number,
        clock::milliseconds(),
    );
    let pending = Pending {
        connection,
        record: Some(record),
    };
    let Ok(body) = read(body).await else {
        return;
    };
    let hub = &connection.hub;
    let (outcome, order) = match notification.check(&body, &connection.peer, hub.now_ms()) {
        Err(reason) => (Outcome::Refuse(Answer::of(reason)), None),
        Ok(push) => hub.judge(push, connection.pushes.fetch_add(1, Ordering::Relaxed)),
    };
    if let Some(order) = order {
        connection.order(order);
    }
    let latency = hub.latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    match outcome {
        Outcome::Accept(push) => {
            pending.settle(Some(push), Answered::Accepted);
            send(&mut respond, &notification.id, None);
        }
        Outcome::Lose(push) => {
            pending.settle(Some(push), Answered::Lost);
            send(&mut respond, &notification.id, None);
        }
        // The connection takes its streams with it.
        Outcome::Nothing => std::future::pending().await,
        Outcome::Refuse(answer) => {
            pending.settle(None, Answered::Refused(answer.status(), answer.reason.clone()));
            send(&mut respond, &notification.id, Some(&answer));
        }
        Outcome::Reset(code) => {
            pending.settle(None, Answered::Reset);
            respond.send_reset(code.on_the_wire());
        }
    }
}

/// A push that was not answered yet; if it never is, the record says so.
struct Pending<'a> {
    connection: &'a Connection,
    record: Option<Record>,
}

impl Pending<'_> {
    /// Records what became of it. The answer follows, so that whoever has it finds the record.
    fn settle(mut self, push: Option<Push>, answer: Answered) {
        if let Some(record) = self.record.take() {
            self.connection.hub.record(record, push, answer);
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.connection.stream_closed();
        if let Some(record) = self.record.take() {
            self.connection.hub.record(record, None, Answered::Unanswered);
        }
    }
}

async fn read(mut body: RecvStream) -> Result<Body, h2::Error> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        length += chunk.len();
        if length > MAX_READ {
            return Ok(Body::TooLarge);
        }
        if length <= MAX_PAYLOAD {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(if length > MAX_PAYLOAD {
        Body::TooLarge
    } else {
        Body::Whole(bytes.into())
    })
}

/// Sends 200 without a body, or the refusal. A client that is gone does not matter.
fn send(respond: &mut SendResponse<Bytes>, id: &str, refusal: Option<&Answer>) {
    let status = refusal.map_or(200, Answer::status);
    let mut response = Response::builder().status(status).header("apns-id", id);
    if let Some(seconds) = refusal.and_then(|answer| answer.retry_after) {
        response = response.header("retry-after", seconds);
    }
    let Ok(response) = response.body(()) else {
        return respond.send_reset(Code::INTERNAL_ERROR);
    };
    let body = refusal.map(|answer| text(answer, status));
    if let Ok(mut stream) = respond.send_response(response, body.is_none())
        && let Some(body) = body
    {
        let _ = stream.send_data(body.into(), true);
    }
}

/// `{"reason": …, "timestamp": …}`; answers of 410 always have the timestamp.
fn text(answer: &Answer, status: u16) -> String {
    let mut body = serde_json::json!({ "reason": answer.reason });
    let timestamp = answer
        .timestamp
        .or_else(|| (status == 410).then(clock::milliseconds));
    if let Some(timestamp) = timestamp {
        body["timestamp"] = timestamp.into();
    }
    body.to_string()
}
