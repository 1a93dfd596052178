//! The loaders of one operation. A key names its question; a batch is one statement.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::asking::reach_by_id;
use crate::access::{Reach, Viewer};
use crate::error::Error;
use crate::store::Conn;
use crate::store::noun::Noun;
use crate::store::page::{self, Beside, Page, Select, Slice, Under};

/// What batches are loaded with.
pub struct Loaders {
    pub(super) conn: Arc<Conn>,
    pub(super) viewer: Option<Arc<Viewer>>,
    /// When the operation began.
    pub(super) now: DateTime<Utc>,
}

impl Loaders {
    /// Where the viewer may read rows of a noun by their id.
    pub(super) fn reach_by_id<N: Noun>(&self) -> Result<Arc<Reach>, Error> {
        reach_by_id::<N>(self.viewer.as_ref().ok_or(Error::Unauthenticated)?)
    }
}

/// "The row of this id."
pub struct Id<N>(Uuid, PhantomData<fn() -> N>);

impl<N> Id<N> {
    /// The question for one row.
    pub fn new(id: Uuid) -> Self {
        Self(id, PhantomData)
    }
}

impl<N> Clone for Id<N> {
    fn clone(&self) -> Self {
        Self::new(self.0)
    }
}

impl<N> PartialEq for Id<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<N> Eq for Id<N> {}

impl<N> Hash for Id<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<N: Noun> Loader<Id<N>> for Loaders {
    type Value = Arc<N>;
    type Error = Error;

    async fn load(&self, keys: &[Id<N>]) -> Result<HashMap<Id<N>, Self::Value>, Error> {
        let reach = self.reach_by_id::<N>()?;
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
        let rows = page::by_ids::<N>(&self.conn, &reach, &ids).await?;
        Ok(rows.into_iter().map(|row| (Id::new(row.id()), row)).collect())
    }
}

/// "This page of what hangs under this parent." A field asks the same one question of all its parents.
pub struct Nested<N> {
    pub(super) parent: (Uuid, Uuid),
    pub(super) question: Arc<Question>,
    noun: PhantomData<fn() -> N>,
}

/// What is asked under every parent.
pub struct Question {
    pub(super) select: Select,
    pub(super) under: Under,
    pub(super) page: Page,
    /// The order that its cursors belong to.
    pub(super) fingerprint: u32,
    /// Whether any row is looked at, or only how many there are.
    pub(super) rows: bool,
}

impl<N> Nested<N> {
    /// The question for one parent: (root, id).
    pub fn new(parent: (Uuid, Uuid), question: Arc<Question>) -> Self {
        Self { parent, question, noun: PhantomData }
    }
}

impl<N> Clone for Nested<N> {
    fn clone(&self) -> Self {
        Self::new(self.parent, self.question.clone())
    }
}

impl<N> PartialEq for Nested<N> {
    fn eq(&self, other: &Self) -> bool {
        self.parent == other.parent && Arc::ptr_eq(&self.question, &other.question)
    }
}

impl<N> Eq for Nested<N> {}

impl<N> Hash for Nested<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parent.hash(state);
        Arc::as_ptr(&self.question).hash(state);
    }
}

/// The keys of one question: what is asked, and for which parents.
type OfQuestion<'a, N> = (Arc<Question>, Vec<&'a Nested<N>>);

fn by_question<N>(keys: &[Nested<N>]) -> Vec<OfQuestion<'_, N>> {
    let mut questions: Vec<OfQuestion<'_, N>> = Vec::new();
    for key in keys {
        match questions.iter_mut().find(|(question, _)| Arc::ptr_eq(question, &key.question)) {
            Some((_, same)) => same.push(key),
            None => questions.push((key.question.clone(), vec![key])),
        }
    }
    questions
}

fn parents<N>(keys: &[&Nested<N>]) -> Vec<(Uuid, Uuid)> {
    keys.iter().map(|key| key.parent).collect()
}

impl<N: Noun> Loader<Nested<N>> for Loaders {
    /// The page, with the rows its joins brought along; those are the same for all parents of the batch.
    type Value = (Arc<Slice<N>>, Arc<Vec<Beside>>);
    type Error = Error;

    #[expect(clippy::mutable_key_type, reason = "a key is told by its field and its parent alone")]
    async fn load(&self, keys: &[Nested<N>]) -> Result<HashMap<Nested<N>, Self::Value>, Error> {
        let mut answers = HashMap::with_capacity(keys.len());
        let asked = by_question(keys).into_iter().map(|(question, keys)| async move {
            let parents = parents(&keys);
            let (pages, loaded) = page::pages_under::<N>(
                &self.conn,
                &question.select,
                question.under,
                &parents,
                &question.page,
            )
            .await?;
            Ok::<_, Error>((keys, pages, Arc::new(loaded)))
        });
        for (keys, mut pages, loaded) in futures_util::future::try_join_all(asked).await? {
            for key in keys {
                let page = pages.remove(&key.parent.1).unwrap_or_else(|| Slice::empty(&key.question.page));
                answers.insert(key.clone(), (Arc::new(page), loaded.clone()));
            }
        }
        Ok(answers)
    }
}

/// "How many hang under this parent."
pub struct Counted<N>(pub(super) Nested<N>);

impl<N> Clone for Counted<N> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<N> PartialEq for Counted<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<N> Eq for Counted<N> {}

impl<N> Hash for Counted<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<N: Noun> Loader<Counted<N>> for Loaders {
    type Value = i64;
    type Error = Error;

    #[expect(clippy::mutable_key_type, reason = "a key is told by its field and its parent alone")]
    async fn load(&self, keys: &[Counted<N>]) -> Result<HashMap<Counted<N>, i64>, Error> {
        let nested: Vec<Nested<N>> = keys.iter().map(|key| key.0.clone()).collect();
        let mut answers = HashMap::with_capacity(keys.len());
        let asked = by_question(&nested).into_iter().map(|(question, keys)| async move {
            let parents = parents(&keys);
            let counts =
                page::counts_under::<N>(&self.conn, &question.select, question.under, &parents).await?;
            Ok::<_, Error>((keys, counts))
        });
        for (keys, counts) in futures_util::future::try_join_all(asked).await? {
            for key in keys {
                answers.insert(Counted(key.clone()), counts.get(&key.parent.1).copied().unwrap_or(0));
            }
        }
        Ok(answers)
    }
}
