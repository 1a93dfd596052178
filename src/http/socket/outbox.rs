//! What a socket is still to be sent, and who waits for room in it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::extract::ws::{CloseFrame, Message};
use futures_util::{Sink, SinkExt};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time,
};

use super::{ANSWER_BYTES, Close, REASON_BYTES, Told, written};
use crate::{
    graphql::gateway::Delivery,
    http::{Entrance, places::Held},
};

/// What waits to be sent. Every message holds its share of a budget of bytes until it is written, and whoever
/// wants to send waits for that share.
#[derive(Clone)]
pub(super) struct Outbox {
    queue: mpsc::UnboundedSender<Queued>,
    budget: Arc<Semaphore>,
    most: u32,
    deadline: Duration,
    /// Set when nothing but the close frame is to be written any more.
    pub(super) closing: Arc<AtomicBool>,
}

pub(super) struct Queued {
    message: Message,
    room: Option<OwnedSemaphorePermit>,
    along: Along,
}

/// What goes with a message.
#[derive(Default)]
pub(super) struct Along {
    pub(super) mark: Option<Mark>,
    pub(super) delivery: Option<Delivery>,
    /// The room that it takes among what waits for the same reader.
    pub(super) unread: Option<Held>,
}

/// How far an operation has come with this message.
pub(super) struct Mark {
    pub(super) id: Arc<str>,
    pub(super) cursor: Arc<str>,
}

impl Outbox {
    pub(super) fn new(entrance: &Entrance) -> (Self, mpsc::UnboundedReceiver<Queued>) {
        let config = &entrance.config.socket;
        let most = u32::try_from(config.queue_bytes).unwrap_or(u32::MAX).max(ANSWER_BYTES);
        let (queue, queued) = mpsc::unbounded_channel();
        // What is set aside, for the next message and the last one of each operation, comes on top: who waits for the whole
        // budget would wait for what goes only after it.
        let set_aside = ANSWER_BYTES as usize * (config.operations + 1);
        let budget = Arc::new(Semaphore::new(most as usize + set_aside));
        let outbox = Self { queue, budget, most, deadline: config.slow_deadline, closing: Arc::default() };
        (outbox, queued)
    }

    /// Waits for room, for what is longer than the budget for all of it; None when the socket is gone.
    pub(super) async fn room(&self, bytes: u32) -> Option<OwnedSemaphorePermit> {
        self.budget.clone().acquire_many_owned(bytes.clamp(1, self.most)).await.ok()
    }

    /// Sends a result of so many bytes when there is room for it, and has it written no earlier: what waits for many who
    /// read slowly would take as much again for each of them.
    ///
    /// # Errors
    /// When there was none for longer than the client may take.
    pub(super) async fn deliver(
        &self,
        bytes: usize,
        text: impl FnOnce() -> String,
        along: Along,
    ) -> Result<(), time::error::Elapsed> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = time::timeout(self.deadline, self.room(bytes)).await?;
        // An error means that the writer is gone, which ends the session.
        let _ = self.queue.send(Queued { message: Message::Text(text().into()), room, along });
        Ok(())
    }

    pub(super) fn tell(&self, told: &Told<'_>, room: Option<OwnedSemaphorePermit>) {
        self.put(Message::Text(written(told).into()), room);
    }

    pub(super) fn put(&self, message: Message, room: Option<OwnedSemaphorePermit>) {
        // An error means that the writer is gone, which ends the session.
        let _ = self.queue.send(Queued { message, room, along: Along::default() });
    }

    pub(super) fn close(&self, (code, reason): Close) {
        self.closing.store(true, Ordering::Relaxed);
        self.put(Message::Close(Some(CloseFrame { code, reason: reason.as_ref().into() })), None);
    }
}

/// How far the subscriptions of a socket have come.
enum Sent {
    Nothing,
    One(Mark),
    /// Of several nobody could tell whose the cursor is.
    Several,
}

impl Sent {
    fn and(self, mark: Mark) -> Self {
        match self {
            Self::One(last) if last.id != mark.id => Self::Several,
            Self::Several => Self::Several,
            Self::Nothing | Self::One(_) => Self::One(mark),
        }
    }

    /// Says in the reason of a close that is to be retried from where.
    fn complete(&self, frame: &mut CloseFrame) {
        if let (Self::One(Mark { cursor, .. }), 1012 | 1013) = (self, frame.code) {
            let reason = format!("{};after={cursor}", frame.reason.as_str());
            if reason.len() <= REASON_BYTES {
                frame.reason = reason.into();
            }
        }
    }
}

/// Writes what is queued, as much at once as there is, until the queue is closed or the connection fails.
pub(super) async fn write(
    mut sink: impl Sink<Message> + Unpin,
    mut queue: mpsc::UnboundedReceiver<Queued>,
    closing: Arc<AtomicBool>,
) {
    let mut sent = Sent::Nothing;
    while let Some(first) = queue.recv().await {
        let mut held = Vec::new();
        let mut queued = Some(first);
        while let Some(Queued { mut message, room, along: Along { mark, delivery, unread } }) = queued {
            if let Message::Close(Some(frame)) = &mut message {
                sent.complete(frame);
            }
            let wanted = matches!(message, Message::Close(_)) || !closing.load(Ordering::Relaxed);
            if wanted && sink.feed(message).await.is_err() {
                return;
            }
            if wanted && let Some(mark) = mark {
                sent = sent.and(mark);
            }
            held.push((room, unread, delivery.filter(|_| wanted)));
            queued = queue.try_recv().ok();
        }
        if sink.flush().await.is_err() {
            return;
        }
        held.into_iter().filter_map(|(_room, _unread, delivery)| delivery).for_each(Delivery::sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_is_written_when_there_is_room_for_it_and_not_before() {
        let (queue, mut queued) = mpsc::unbounded_channel();
        let (budget, deadline) = (Arc::new(Semaphore::new(0)), Duration::from_millis(10));
        let outbox = Outbox { queue, budget: budget.clone(), most: 8, deadline, closing: Arc::default() };
        assert!(outbox.deliver(8, || unreachable!("there is no room"), Along::default()).await.is_err());
        budget.add_permits(8);
        assert!(outbox.deliver(8, || "an event".to_owned(), Along::default()).await.is_ok());
        assert!(queued.recv().await.is_some());
    }
}
