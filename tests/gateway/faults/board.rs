//! A wallboard: subscribed over a websocket, it comes back after every end, anywhere, with its last cursor.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};
use uuid::Uuid;

use super::stage::Stage;

/// How long a board waits for a word before it tries another replica: longer than a busy one is silent, and much
/// shorter than one that is frozen.
const SILENCE: Duration = Duration::from_secs(2);

/// What a board was told.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    ids: Vec<Uuid>,
    /// The cursor of the last event.
    pub(super) cursor: String,
    /// How often it came back.
    pub(super) resumed: u32,
}

/// What was told, held against the log.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) seen: usize,
    pub(super) lost: usize,
    pub(super) twice: usize,
    pub(super) disorder: usize,
}

impl Seen {
    fn nothing() -> Self {
        Self { ids: Vec::new(), cursor: "0".into(), resumed: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    fn take(&mut self, event: &Value) {
        self.cursor = event["cursor"].as_str().unwrap().to_owned();
        if let Some(id) = event["breach"]["uuid"].as_str() {
            self.ids.push(id.parse().unwrap());
        }
    }

    pub(super) fn compared(&self, log: &[Uuid]) -> Told {
        let distinct: HashSet<_> = self.ids.iter().collect();
        Told {
            seen: self.ids.len(),
            lost: log.iter().filter(|id| !distinct.contains(id)).count(),
            twice: self.ids.len() - distinct.len(),
            disorder: self.ids.iter().zip(log).filter(|(told, logged)| told != logged).count(),
        }
    }
}

pub(super) struct Board {
    seen: Arc<Mutex<Seen>>,
    watching: JoinHandle<()>,
}

impl Drop for Board {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Board {
    /// Watches from the oldest record on, over whichever of these ports answers.
    pub(super) fn open(stage: &Stage, ports: &[u16]) -> Self {
        let seen = Arc::new(Mutex::new(Seen::nothing()));
        let (told, token, ports) = (seen.clone(), stage.token(), ports.to_vec());
        let watching = tokio::spawn(async move {
            for port in ports.iter().cycle() {
                let resumed = watch(&token, *port, &told).await;
                told.lock().unwrap().resumed += u32::from(resumed.is_some());
                sleep(Duration::from_millis(50)).await;
            }
        });
        Self { seen, watching }
    }

    /// Waits until it has seen as many records, for as long as it sees more.
    pub(super) async fn has_seen(&self, count: usize) {
        let (mut seen, mut moved) = (0, Instant::now());
        while seen < count && moved.elapsed() < Duration::from_secs(20) {
            let now = self.seen.lock().unwrap().len();
            if now > seen {
                (seen, moved) = (now, Instant::now());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What it has seen, once it had the time to see so many.
    pub(super) async fn leave(self, count: i64) -> Seen {
        self.has_seen(usize::try_from(count).unwrap()).await;
        // One that is told twice may come late.
        sleep(Duration::from_millis(500)).await;
        self.seen.lock().unwrap().clone()
    }
}

/// Watches one replica until the socket ends or stays silent; none if it could not be opened.
async fn watch(token: &str, port: u16, seen: &Mutex<Seen>) -> Option<()> {
    let opened = Socket::connect(token, port, None);
    let mut socket = timeout(SILENCE, opened).await.ok()??;
    let after = seen.lock().unwrap().cursor.clone();
    socket.subscribe("uuid", &after).await;
    while let Ok(Some(event)) = timeout(SILENCE, socket.event()).await {
        seen.lock().unwrap().take(&event);
    }
    Some(())
}

/// One websocket.
pub(super) struct Socket {
    socket: WebSocketStream<TcpStream>,
    closed: Option<(u16, String)>,
}

impl Socket {
    /// A socket whose system keeps little for it, so that it is soon felt when it is not read.
    pub(super) async fn small(stage: &Stage, port: u16) -> Self {
        Self::patiently(stage, port, Some(4096)).await
    }

    pub(super) async fn open(stage: &Stage, port: u16) -> Self {
        Self::patiently(stage, port, None).await
    }

    async fn patiently(stage: &Stage, port: u16, buffer: Option<u32>) -> Self {
        for _ in 0..600 {
            if let Some(socket) = Self::connect(&stage.token(), port, buffer).await {
                return socket;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("nobody opens at {port}");
    }

    async fn connect(token: &str, port: u16, buffer: Option<u32>) -> Option<Self> {
        let tcp = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = buffer {
            tcp.set_recv_buffer_size(bytes).unwrap();
        }
        let stream = tcp.connect(([127, 0, 0, 1], port).into()).await.ok()?;
        let mut request = format!("ws://127.0.0.1:{port}/graphql").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        let (socket, _) = client_async(request, stream).await.ok()?;
        let mut socket = Self { socket, closed: None };
        socket.say(json!({ "type": "connection_init", "payload": { "token": token } })).await;
        (socket.hear().await?["type"] == "connection_ack").then_some(socket)
    }

    async fn say(&mut self, message: Value) {
        // One that fails is noticed when it is listened to.
        let _ = self.socket.send(Message::text(message.to_string())).await;
    }

    async fn hear(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(frame)) => {
                    self.closed = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Follows the log after a cursor, with these fields of each record.
    pub(super) async fn subscribe(&mut self, fields: &str, after: &str) {
        let query = format!(
            "subscription($after: String) {{ breaches(after: $after) {{ cursor breach {{ {fields} }} }} }}"
        );
        let payload = json!({ "query": query, "variables": { "after": after } });
        self.say(json!({ "type": "subscribe", "id": "1", "payload": payload })).await;
    }

    /// The next event; none at the end of the socket, or of the subscription.
    async fn event(&mut self) -> Option<Value> {
        let mut told = self.hear().await?;
        if told["type"] != "next" {
            return None;
        }
        if told["payload"]["errors"][0]["extensions"]["code"] == "UNAVAILABLE" {
            // To be tried again in a moment, from the same cursor.
            return None;
        }
        assert_eq!(told["payload"]["errors"], Value::Null, "{told}");
        Some(told["payload"]["data"]["breaches"].take())
    }

    /// Reads until so many were seen.
    pub(super) async fn read(&mut self, seen: &mut Seen, count: usize) {
        while seen.len() < count {
            let event = timeout(Duration::from_secs(20), self.event()).await.expect("an event in time");
            seen.take(&event.expect("an event"));
        }
    }

    /// What still comes until the end, and the server's close if it could be told.
    pub(super) async fn read_to_the_end(mut self) -> (Seen, Option<(u16, String)>) {
        let mut seen = Seen::nothing();
        while let Some(event) = timeout(Duration::from_secs(20), self.event()).await.expect("the end in time")
        {
            seen.take(&event);
        }
        (seen, self.closed)
    }
}
