//! Couriers to devices in other processes: one connection to the control endpoint for any number of tokens.
//!
//! The client asks for `GET /wake` with `Upgrade: wake`. From then on it writes lines, `subscribe TOKEN TOPIC` and
//! `unsubscribe TOKEN`, and the server writes a line of JSON for each push, a [`Wake`].

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, split};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;

use super::courier::{Courier, Inbox, Subscription, Wake};
use super::hub::Hub;
use crate::encode;
use crate::error::Problem;

/// The protocol's name in `Upgrade`.
pub(super) const PROTOCOL: &str = "wake";
/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(200);
/// Subscriptions or pushes written in one go.
const BATCH: usize = 1000;

/// Serves the devices at the other end until it closes.
pub(super) async fn serve(hub: Arc<Hub>, io: impl AsyncRead + AsyncWrite) {
    let courier = Courier::local(hub);
    let (reader, mut writer) = split(io);
    let reading = async {
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["subscribe", token, topic] => {
                    let token = encode::from_hex(token)?;
                    courier.subscribe(&token, topic);
                }
                ["unsubscribe", token] => courier.unsubscribe(&encode::from_hex(token)?),
                // Whoever says anything else has not understood.
                _ => return None,
            }
        }
        None::<()>
    };
    let writing = async {
        loop {
            let mut text = line(&courier.next().await);
            let ready = std::iter::from_fn(|| courier.ready());
            ready.take(BATCH).for_each(|wake| text.push_str(&line(&wake)));
            if writer.write_all(text.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = reading => {}
        () = writing => {}
    }
}

fn line(wake: &Wake) -> String {
    // A wake has nothing that JSON can't hold.
    let mut line = serde_json::to_string(wake).unwrap_or_default();
    line.push('\n');
    line
}

/// Keeps a line to the control endpoint until the courier at this end is dropped.
pub(super) async fn keep(
    control: SocketAddr,
    inbox: Arc<Inbox>,
    mut subscriptions: UnboundedReceiver<Subscription>,
) {
    let mut known = HashMap::new();
    while !subscriptions.is_closed() {
        if converse(control, &inbox, &mut subscriptions, &mut known)
            .await
            .is_ok()
        {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// One connection. An error means that it broke.
async fn converse(
    control: SocketAddr,
    inbox: &Inbox,
    subscriptions: &mut UnboundedReceiver<Subscription>,
    known: &mut HashMap<Vec<u8>, String>,
) -> Result<(), Problem> {
    let stream = TcpStream::connect(control).await?;
    stream.set_nodelay(true)?;
    let (reader, mut writer) = split(stream);
    let mut lines = BufReader::new(reader).lines();
    let request = format!(
        "GET /wake HTTP/1.1\r\nHost: {control}\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n\r\n"
    );
    writer.write_all(request.as_bytes()).await?;
    let status = lines.next_line().await?.unwrap_or_default();
    if !status.starts_with("HTTP/1.1 101 ") {
        return Err(Problem::protocol(format!("{control} has no wake channel")));
    }
    while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}

    let reading = async {
        while let Some(line) = lines.next_line().await? {
            let wake: Wake = serde_json::from_str(&line).map_err(Problem::protocol)?;
            inbox.put(wake);
        }
        Err(Problem::transport("the wake channel was closed"))
    };
    let writing = async {
        let again = known.iter().map(|(token, topic)| subscribe(token, topic));
        writer.write_all(again.collect::<String>().as_bytes()).await?;
        let mut batch = Vec::new();
        while subscriptions.recv_many(&mut batch, BATCH).await > 0 {
            let changed = batch.drain(..).filter_map(|change| apply(known, change));
            writer.write_all(changed.collect::<String>().as_bytes()).await?;
        }
        Ok(())
    };
    tokio::select! {
        broken = reading => broken,
        done = writing => done,
    }
}

/// Notes a change and answers the line for it; `None` when nothing changes.
fn apply(known: &mut HashMap<Vec<u8>, String>, change: Subscription) -> Option<String> {
    match change {
        Subscription::Subscribe(token, topic) => {
            let line = subscribe(&token, &topic);
            let before = known.insert(token, topic.clone());
            (before.as_ref() != Some(&topic)).then_some(line)
        }
        Subscription::Unsubscribe(token) => {
            known.remove(&token)?;
            Some(format!("unsubscribe {}\n", encode::lower_hex(&token)))
        }
    }
}

fn subscribe(token: &[u8], topic: &str) -> String {
    format!("subscribe {} {topic}\n", encode::lower_hex(token))
}
