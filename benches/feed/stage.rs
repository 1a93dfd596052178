//! A gateway over a Postgres of its own, with a tenant, an SLA, and somebody who may follow both.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sla_gateway::access::token::Key;
use sla_gateway::postgres::Postgres;
use sla_gateway::store::migrations;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use crate::Outcome;
use crate::cpu::Cluster;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

const SETTING: &str = "BEGIN;
    CREATE FUNCTION one() RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT '00000000-0000-0000-0000-000000000001'::uuid $$;
    INSERT INTO tenant (root_id, id, slug, name, time_zone) VALUES (one(), one(), 'root', 'Root', 'UTC');
    INSERT INTO sla (root_id, id, tenant_id, kind, name, active_version_id, livechat_due_minutes)
      VALUES (one(), one(), one(), 'livechat', 'Chats', one(), 5);
    INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, due_time_in_minutes)
      VALUES (one(), one(), one(), one(), 1, 'first', 'livechat', 5);
    INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login) VALUES (one(), one(), one(), 'Wall', 'Board', 'board');
    INSERT INTO role (root_id, id, tenant_id, name, permissions)
      VALUES (one(), one(), one(), 'board', ARRAY['breaches:read', 'slas:read', 'affected-slas:read']);
    INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id) VALUES (one(), one(), one(), one(), one());
    COMMIT";

pub(crate) struct Stage {
    gateway: Child,
    pub(crate) port: u16,
    client: Client,
    _postgres: Postgres,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _gone_already = self.gateway.kill();
        let _reaped = self.gateway.wait();
    }
}

impl Stage {
    pub(crate) async fn open() -> Outcome<Self> {
        let postgres = Postgres::start_ephemeral(None, &[]).map_err(|cause| cause.to_string())?;
        let url = postgres.url("postgres");
        migrations::run(&url).await.map_err(|cause| cause.to_string())?;
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(SETTING).await?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let gateway = Command::new(env!("CARGO_BIN_EXE_sla-gateway"))
            .args(["serve", "--log=warn", "--sockets-per-viewer=100000", "--accept-rate=100000"])
            .arg(format!("--listen=127.0.0.1:{port}"))
            .env("DATABASE_URL", &url)
            .env("SLA_GATEWAY_TOKEN_SECRET", SECRET)
            .stdout(Stdio::null())
            .spawn()?;
        let stage = Self { gateway, port, client, _postgres: postgres };
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
        Ok(stage)
    }

    pub(crate) fn gateway(&self) -> u32 {
        self.gateway.id()
    }

    pub(crate) fn token(&self) -> Outcome<String> {
        let key = Key::from_secret(SECRET).ok_or("the secret is too short")?;
        Ok(key.issue("board", Utc::now(), TimeDelta::hours(1)).map_err(|cause| cause.message())?)
    }

    /// `count` deadlines that fall due at `due`, an expression of SQL.
    pub(crate) async fn due(&self, count: i32, due: &str) -> Outcome {
        let sql = format!(
            "WITH r AS (INSERT INTO request (root_id, id, tenant_id, channel, subject, status, registered_at)
               SELECT one(), uuid_v7(), one(), 'chat', 'hello', 'assigned', now() FROM generate_series(1, {count}) RETURNING id),
             a AS (INSERT INTO affected_sla (root_id, id, tenant_id, sla_id, sla_version_id, request_id, started_at)
               SELECT one(), uuid_v7(), one(), one(), one(), id, now() FROM r RETURNING id),
             d AS (SELECT id, {due} AS due FROM a)
             INSERT INTO deadline (root_id, tenant_id, affected_sla_id, sla_id, kind, phase, target_at, due_at)
             SELECT one(), one(), id, one(), 'due_time', 'breached', due, due FROM d"
        );
        Ok(self.client.batch_execute(&sql).await?)
    }

    pub(crate) async fn analyze(&self) -> Outcome {
        Ok(self.client.batch_execute("VACUUM ANALYZE").await?)
    }

    pub(crate) async fn postgres(&self) -> Outcome<Cluster> {
        let pid: i32 = self.client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        Cluster::of(u32::try_from(pid)?)
    }

    /// Transactions so far: outside of mutations each is one statement.
    pub(crate) async fn statements(&self) -> Outcome<i64> {
        let sum = "SELECT sum(xact_commit)::bigint FROM pg_stat_database WHERE datname = current_database()";
        Ok(self.client.query_one(sum, &[]).await?.get(0))
    }

    /// How much after its time the newest record was written, in milliseconds.
    pub(crate) async fn late(&self) -> Outcome<f64> {
        let late = "SELECT (extract(epoch FROM detected_at - target_at) * 1000)::float8 FROM breach ORDER BY id DESC LIMIT 1";
        Ok(self.client.query_one(late, &[]).await?.get(0))
    }
}
