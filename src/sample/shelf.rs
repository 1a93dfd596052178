//! Indexes and foreign keys set aside while millions of rows come in: made anew over all rows at once they cost a
//! fraction of what they cost row by row.

use tokio_postgres::Transaction;

use super::{Error, Progress};

/// Definitions to be made again. They are the database's own words, so nothing here has to follow the migrations.
pub(super) struct Shelf(Vec<String>);

/// Keys stay: they are unique constraints, and foreign keys of other tables hang on them.
const LIST: &str = "\
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname), \
      format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) \
    FROM pg_constraint \
    WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY (SELECT unnest($1::text[])::regclass) \
    UNION ALL \
    SELECT format('DROP INDEX %s', indexrelid::regclass), replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') \
    FROM pg_index WHERE NOT indisunique AND indrelid = ANY (SELECT unnest($1::text[])::regclass) \
    ORDER BY 1";

impl Shelf {
    /// Takes the indexes and foreign keys of these tables away, for this transaction.
    pub(super) async fn fill(transaction: &Transaction<'_>, tables: &[&str]) -> Result<Self, Error> {
        // Indexes are sorted in memory as far as this reaches; the commit is waited for all the same.
        transaction.batch_execute("SET LOCAL maintenance_work_mem = '256MB'").await?;
        let mut again = Vec::new();
        for row in transaction.query(LIST, &[&tables]).await? {
            transaction.batch_execute(row.get(0)).await?;
            again.push(row.get(1));
        }
        // Indexes first: validating a foreign key may use them.
        again.sort_by_key(|statement: &String| !statement.starts_with("CREATE"));
        Ok(Self(again))
    }

    /// Makes them again.
    pub(super) async fn empty(
        self,
        transaction: &Transaction<'_>,
        progress: Progress<'_>,
    ) -> Result<(), Error> {
        let all = self.0.len() as u64;
        for (done, statement) in (0..).zip(&self.0) {
            progress("indexes and foreign keys", done, all);
            transaction.batch_execute(statement).await?;
        }
        progress("indexes and foreign keys", all, all);
        Ok(())
    }
}
