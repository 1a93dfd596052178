//! Subscribers: one socket each, all in this process.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::Outcome;
use crate::stage::Stage;

type Socket = WebSocketStream<TcpStream>;

pub(crate) struct Crowd {
    sockets: Vec<Socket>,
}

impl Crowd {
    /// Opens sockets that follow the feed, in turn by one of so many documents.
    pub(crate) async fn subscribe(stage: &Stage, count: usize, documents: usize) -> Outcome<Self> {
        let token = stage.token()?;
        let mut sockets = Vec::with_capacity(count);
        for number in 0..count {
            let mark = number % documents;
            let query = format!(
                "# {mark}\nsubscription {{ breaches {{ cursor breach {{ uuid kind phase targetAt detectedAt sla {{ name }} }} }} }}"
            );
            sockets.push(open(stage.port, &token, &query).await?);
        }
        Ok(Self { sockets })
    }

    /// Reads until each has got so many records; how long each took, in milliseconds, the shortest first.
    pub(crate) async fn wait_for(self, count: usize, patience: Duration) -> Outcome<Vec<f64>> {
        let (told, mut latencies) = mpsc::unbounded_channel();
        let mut readers = JoinSet::new();
        for mut socket in self.sockets {
            let told = told.clone();
            readers.spawn(async move {
                let mut got = 0;
                while got < count {
                    let Some(Ok(message)) = socket.next().await else { return Err("a socket was closed") };
                    let now = Utc::now();
                    let Message::Text(text) = message else { continue };
                    // No more is read of a message than is needed, so as to be quick.
                    let Some((_, rest)) = text.split_once(r#""detectedAt":""#) else { continue };
                    let at = rest.split('"').next().unwrap_or_default();
                    let at = DateTime::parse_from_rfc3339(at).map_err(|_| "no instant")?;
                    got += 1;
                    let micros = (now - at.to_utc()).num_microseconds().unwrap_or_default();
                    let _ = told.send(micros as f64 / 1e3);
                }
                Ok(())
            });
        }
        drop(told);
        let all = async {
            while let Some(read) = readers.join_next().await {
                read??;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        };
        timeout(patience, all).await.map_err(|_| "not all messages came")??;
        let mut sorted = Vec::new();
        while let Ok(latency) = latencies.try_recv() {
            sorted.push(latency);
        }
        sorted.sort_unstable_by(f64::total_cmp);
        Ok(sorted)
    }
}

async fn open(port: u16, token: &str, query: &str) -> Outcome<Socket> {
    let mut request = format!("ws://127.0.0.1:{port}/graphql").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut socket, _) = client_async(request, stream).await?;
    let init = json!({ "type": "connection_init", "payload": { "token": token } });
    socket.send(Message::text(init.to_string())).await?;
    hear(&mut socket, "connection_ack").await?;
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": query } });
    socket.send(Message::text(subscribe.to_string())).await?;
    // The first checkpoint: from here on it is live.
    hear(&mut socket, "next").await?;
    Ok(socket)
}

async fn hear(socket: &mut Socket, kind: &str) -> Outcome {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let said: Value = serde_json::from_str(&text)?;
                return if said["type"] == kind {
                    Ok(())
                } else {
                    Err(format!("{kind} was to come, not {said}").into())
                };
            }
            Some(Ok(_)) => {}
            other => return Err(format!("{kind} was to come, not {other:?}").into()),
        }
    }
}
