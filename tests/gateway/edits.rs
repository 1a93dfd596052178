//! Edits of SLAs and of the catalogue beside running clocks: what they do not move, whom they do not make wait, and which
//! of several that overlap is in force.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::app::App;
use crate::database::Database;
use crate::intake::{breaches, clock, fields, key, number, recorded, ticket, with, world, written};

const ROOT: &str = "a0000000-0000-0000-0000-000000000001";

/// The world of intake, with somebody who may edit all of it.
async fn edited() -> Arc<App> {
    let app = world().await;
    let editor = format!(
        "INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login)
           VALUES ('{ROOT}', '{0}', '{ROOT}', 'Eva', 'Editor', 'editor');
         INSERT INTO role (root_id, id, tenant_id, name, permissions)
           VALUES ('{ROOT}', '{0}', '{ROOT}', 'editor', '{{slas:read,slas:write,catalog:read,catalog:write}}');
         INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
           VALUES ('{ROOT}', '{0}', '{ROOT}', '{0}', '{0}');
         INSERT INTO organization (root_id, id, tenant_id, name) VALUES ('{ROOT}', '{0}', '{ROOT}', 'Another customer')",
        key(300)
    );
    app.database.client().await.batch_execute(&editor).await.unwrap();
    app
}

/// Runs a mutation of the editor's; whatever becomes of it.
async fn edit(app: &App, mutation: &str, input: Value) -> Value {
    let kind = format!("{}{}", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {kind}Input!) {{ {mutation}(input: $input) {{ errors {{ code path message }} }} }}"
    );
    app.send("editor", &query, json!({ "input": input })).await.1
}

/// Runs something as soon as a mutation waits for what `client` has locked, and then lets it go on.
async fn while_it_waits(
    database: &Database,
    client: &Client,
    mutation: impl Future<Output = Value>,
    meanwhile: impl Future<Output = ()>,
) -> Value {
    let then = async {
        database.waited_for().await;
        meanwhile.await;
        client.batch_execute("COMMIT").await.unwrap();
    };
    tokio::join!(mutation, then).0
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_nobody_waits_to_take_in_and_to_record_until_an_edit_of_what_is_referred_to_is_over() {
    let app = edited().await;
    let edits = [
        ("slaUpdate", json!({ "id": key(80), "customerId": key(300) }), "organization", 300),
        ("slaUpdate", json!({ "id": key(80), "customerRepId": key(31) }), "person", 31),
        ("serviceInstanceUpdate", json!({ "id": key(70), "supportTeamId": key(22) }), "team", 22),
    ];
    for (round, (mutation, input, table, locked)) in edits.into_iter().enumerate() {
        // What the edit refers to anew is held, so that it waits in the middle of its transaction.
        let client = app.database.client().await;
        let hold = format!("BEGIN; SELECT 1 FROM {table} WHERE id = '{}' FOR UPDATE", key(locked));
        client.batch_execute(&hold).await.unwrap();
        let meanwhile = async {
            written(&app, "requestRegister", ticket()).await;
            recorded(&app, 6 * (round + 1)).await;
        };
        while_it_waits(&app.database, &client, edit(&app, mutation, input), meanwhile).await;
    }
}
