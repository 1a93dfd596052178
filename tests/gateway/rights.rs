//! What one may do: roles, grants and service tokens, given and taken back, and that nobody gives what they do not hold.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use sla_gateway::graphql::document::Ask;
use sla_gateway::http::HttpConfig;
use tokio::time::{Instant, timeout};

use crate::app::App;
use crate::following::{follow, person as person_of};
use crate::introspection::refusal;
use crate::socket::server_over;

const OPERATOR: &str = "operator@example.com";
const MANAGER: &str = "manager@wna.example.com";
const READER: &str = "reader@wna.example.com";
/// What our client of a websocket speaks.
const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

/// Runs a mutation; gives its payload.
async fn run(app: &App, login: &str, mutation: &str, input: Value, selection: &str) -> Value {
    let ty = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation ($input: {ty}!) {{ {mutation}(input: $input) {{ {selection} errors {{ code path message }} }} }}"
    );
    let mut answer = app.ask(login, &query, json!({ "input": input })).await;
    match refusal(&answer) {
        None => answer["data"][mutation].take(),
        Some((code, message)) => panic!("{mutation} {input}: {code} {message}"),
    }
}

/// The same where no mistake is made.
async fn done(app: &App, login: &str, mutation: &str, input: Value, selection: &str) -> Value {
    let payload = run(app, login, mutation, input, selection).await;
    assert_eq!(payload["errors"], json!([]), "{mutation}");
    payload
}

/// The mistakes of an input: (code, path), with all messages.
fn mistakes(payload: &Value) -> Vec<(String, String)> {
    let path = |error: &Value| {
        let parts = error["path"].as_array().unwrap().iter().map(|part| part.as_str().unwrap());
        parts.collect::<Vec<_>>().join(".")
    };
    let errors = payload["errors"].as_array().unwrap();
    errors.iter().map(|error| (error["code"].as_str().unwrap().to_owned(), path(error))).collect()
}

fn forbidden(path: &str) -> Vec<(String, String)> {
    vec![("FORBIDDEN".to_owned(), path.to_owned())]
}

async fn tenant(app: &App, slug: &str) -> String {
    let data =
        app.data(OPERATOR, "query ($s: String) { tenant(slug: $s) { id } }", json!({ "s": slug })).await;
    data["tenant"]["id"].as_str().unwrap().to_owned()
}

/// The role of this name in Widget North America.
async fn role(app: &App, name: &str) -> String {
    let query = "query ($t: ID!, $n: String!) { roles(filter: { tenant: { eq: $t }, name: { eq: $n } }) { nodes { id } } }";
    let data = app.data(OPERATOR, query, json!({ "t": tenant(app, "wna").await, "n": name })).await;
    data["roles"]["nodes"][0]["id"].as_str().unwrap().to_owned()
}

/// Somebody new of a tenant who signs in with `login`; their id.
async fn person(app: &App, tenant: &str, login: &str) -> String {
    let input = json!({ "tenantId": tenant, "firstName": "Some", "lastName": "Body", "login": login });
    let payload = done(app, OPERATOR, "personCreate", input, "person { id }").await;
    payload["person"]["id"].as_str().unwrap().to_owned()
}

/// Somebody new with these rights in a tenant.
async fn admin(app: &App, tenant: &str, login: &str, permissions: &[&str]) -> String {
    let person = person(app, tenant, login).await;
    let input =
        json!({ "tenantId": tenant, "name": format!("What {login} may"), "permissions": permissions });
    let role = done(app, OPERATOR, "roleCreate", input, "role { id }").await;
    let input = json!({ "tenantId": tenant, "roleId": role["role"]["id"], "personId": person });
    done(app, OPERATOR, "roleGrant", input, "roleGrant { id }").await;
    person
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_a_role_granted_works_at_once_in_its_tenant_and_below_and_revoked_it_is_gone_at_once() {
    let app = App::sampled().await;
    let (wna, hq) = (tenant(&app, "wna").await, tenant(&app, "wna-hq").await);
    let login = "new@wna.example.com";
    let person = person(&app, &wna, login).await;
    let slugs = "{ slas(first: 100) { nodes { tenant { slug } } } }";
    let answer = app.ask(login, slugs, json!({})).await;
    assert_eq!(refusal(&answer).map(|(code, _)| code), Some("FORBIDDEN"), "{answer}");

    let input = json!({ "tenantId": hq, "roleId": role(&app, "Reader").await, "personId": person });
    let selection =
        "roleGrant { id role { name permissions } person { id } tenant { slug } createdBy { email } }";
    let granted = done(&app, MANAGER, "roleGrant", input.clone(), selection).await;
    assert_eq!(granted["roleGrant"]["role"]["name"], "Reader");
    assert_eq!(granted["roleGrant"]["tenant"]["slug"], "wna-hq");
    let data = app.data(login, slugs, json!({})).await.to_string();
    assert!(data.contains("\"wna-hq\"") && data.contains("wna-hq-finance"), "{data}");
    // Once is enough, and a second time is told so.
    let again = run(&app, MANAGER, "roleGrant", input, "roleGrant { id }").await;
    assert_eq!(mistakes(&again), [("DUPLICATE".to_owned(), "input.personId".to_owned())]);

    // Rule B4: what is open ends too.
    let server = server_over(app.gateway.clone(), HttpConfig::default()).await;
    let mut client = server.open(&[PROTOCOL]).await.unwrap();
    client.say(json!({ "type": "connection_init", "payload": { "token": app.token(login) } })).await;
    assert_eq!(client.hear().await["type"], "connection_ack");
    client.subscribe("1", "subscription { breaches { cursor } }").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = Instant::now();
    let input = json!({ "id": granted["roleGrant"]["id"] });
    done(&app, MANAGER, "roleRevoke", input.clone(), "deletedId").await;
    let answer = app.ask(login, slugs, json!({})).await;
    assert_eq!(refusal(&answer).map(|(code, _)| code), Some("FORBIDDEN"), "{answer}");
    let told = loop {
        match client.hear().await {
            told if told["payload"]["data"]["breaches"]["cursor"].is_string() => {}
            told => break told,
        }
    };
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(
        told["type"] == "complete" || told["payload"]["errors"][0]["extensions"]["code"] == "FORBIDDEN",
        "{told}"
    );
    let query = "mutation ($input: RoleRevokeInput!) { roleRevoke(input: $input) { deletedId } }";
    let gone = app.ask(MANAGER, query, json!({ "input": input })).await;
    assert_eq!(refusal(&gone).map(|(code, _)| code), Some("NOT_FOUND"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_were_lost_with_a_server_do_not_come_back_when_its_successor_has_as_many_changes() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    let slas = "{ slas(first: 1) { nodes { id } } }";
    let until = async |login: &str, code: Option<&str>| loop {
        let answer = app.ask(login, slas, json!({})).await;
        if refusal(&answer).map(|(code, _)| code) == code {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // The gateway remembers both with their rights, of which the standby that takes over has not heard yet.
    until(READER, None).await;
    until(MANAGER, None).await;
    let lose = "SET session_replication_role = replica; CREATE TABLE lost AS SELECT * FROM role_grant; \
        DELETE FROM role_grant; UPDATE authorization_epoch SET epoch = epoch - 1";
    client.batch_execute(lose).await.unwrap();
    until(READER, Some("FORBIDDEN")).await;
    // One of them is granted theirs again: the number of changes is that of before.
    let grant = format!(
        "INSERT INTO role_grant SELECT l.* FROM lost l JOIN person p ON p.id = l.person_id WHERE p.login = '{READER}'; \
         UPDATE authorization_epoch SET epoch = epoch + 1"
    );
    client.batch_execute(&grant).await.unwrap();
    until(READER, None).await;
    let answer = app.ask(MANAGER, slas, json!({})).await;
    assert_eq!(refusal(&answer).map(|(code, _)| code), Some("FORBIDDEN"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_were_lost_with_a_server_are_gone_though_its_successor_has_had_as_many_changes() {
    let app = App::sampled().await;
    // The gateway has seen the last change of before, since it was its own.
    admin(&app, &tenant(&app, "wna").await, "board", &["BREACHES_READ"]).await;
    let mut board = follow(&app, "board", "subscription { breaches { cursor } }", json!({})).await;
    assert!(board.next().await.unwrap()["data"]["breaches"]["cursor"].is_string());
    // The last change of its successor was another one; that it is another server is told by the epoch of the log.
    let lose = "SET session_replication_role = replica; DELETE FROM role_grant; \
        UPDATE breach_log_head SET previous_epoch = epoch, epoch_start = pos, epoch = epoch + 1";
    app.database.client().await.batch_execute(lose).await.unwrap();
    let told = timeout(Duration::from_secs(20), board.collect::<Vec<_>>()).await;
    let told = told.expect("what was lost is remembered");
    assert_eq!(refusal(told.last().unwrap()).map(|(code, _)| code), Some("FORBIDDEN"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_a_right_that_is_taken_back_while_a_subscription_begins_is_gone_for_it_too() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    person_of(&client, "board", "wna", "breaches:read").await;
    let viewer = app.gateway.viewer(Some(&app.token("board"))).await.unwrap();
    let input = json!({ "id": role(&app, "board").await, "permissions": ["SLAS_READ"] });
    // The gateway has seen this change, since it is its own, and no other follows.
    done(&app, OPERATOR, "roleUpdate", input, "role { id }").await;
    let ask = Ask { query: Some("subscription { breaches { cursor } }".to_owned()), ..Ask::default() };
    let answers = app.gateway.subscribe(app.gateway.prepare(ask).unwrap(), viewer);
    let told = timeout(Duration::from_secs(20), answers.collect::<Vec<_>>()).await;
    let told = told.expect("it goes on with the right that was taken back");
    assert!(told.last().unwrap().json().contains("FORBIDDEN"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_who_lost_a_right_in_one_tree_is_not_told_late_for_the_many_of_another() {
    let app = App::sampled().await;
    let client = app.database.client().await;
    let board = async |login: &str, tenant: &str| {
        person_of(&client, login, tenant, "breaches:read").await;
        let mut board = follow(&app, login, "subscription { breaches { cursor } }", json!({})).await;
        assert!(board.next().await.unwrap()["data"]["breaches"]["cursor"].is_string());
        board
    };
    let mut many = Vec::new();
    for nth in 0..12 {
        let board = board(&format!("many{nth}"), "wna").await;
        many.push(tokio::spawn(board.for_each(async |_| {})));
    }
    let few = board("few", "itrp").await;
    // It takes long to look at one of the many.
    let slow = "SELECT pg_advisory_lock(1);
        ALTER TABLE person RENAME TO person_of_all;
        CREATE FUNCTION looked_at(login text) RETURNS boolean COST 1000000 LANGUAGE plpgsql AS $$ BEGIN
          IF login LIKE 'many%' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF; RETURN true; END $$;
        CREATE VIEW person AS SELECT * FROM person_of_all WHERE looked_at(login)";
    let lock = app.database.client().await;
    lock.batch_execute(slow).await.unwrap();
    client.batch_execute("UPDATE authorization_epoch SET epoch = epoch + 1").await.unwrap();
    app.database.waited_for().await;
    client.batch_execute("UPDATE role SET permissions = '{}' WHERE name = 'few'").await.unwrap();
    let told = timeout(Duration::from_secs(20), few.collect::<Vec<_>>()).await;
    let told = told.expect("it waits for the many");
    assert_eq!(refusal(told.last().unwrap()).map(|(code, _)| code), Some("FORBIDDEN"), "{told:?}");
    many.iter().for_each(|board| board.abort());
}

#[tokio::test(flavor = "multi_thread")]
async fn those_whose_rights_are_read_anew_leave_connections_to_others() {
    let app = App::sampled().await;
    let mut client = app.database.client().await;
    let mut boards = Vec::new();
    for nth in 0..16 {
        let login = format!("board{nth}@wna.example.com");
        person_of(&client, &login, "wna", "breaches:read").await;
        let mut board = follow(&app, &login, "subscription { breaches { cursor } }", json!({})).await;
        assert!(board.next().await.unwrap()["data"]["breaches"]["cursor"].is_string());
        boards.push(tokio::spawn(async move { while board.next().await.is_some() {} }));
    }
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE role_grant IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let changed = "UPDATE authorization_epoch SET epoch = epoch + 1";
    app.database.client().await.batch_execute(changed).await.unwrap();
    app.database.waited_for().await;
    // Whoever needs no more than a connection.
    for _ in 0..20 {
        timeout(Duration::from_secs(20), app.gateway.ready()).await.expect("all are taken").unwrap();
    }
    lock.rollback().await.unwrap();
    boards.iter().for_each(|board| board.abort());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_changes_rights_waits_for_a_bulk_of_others() {
    let app = App::sampled().await;
    let mut client = app.database.client().await;
    let watch = app.database.client().await;
    let epoch = async || {
        watch.query_one("SELECT epoch FROM authorization_epoch", &[]).await.unwrap().get::<_, i64>(0)
    };
    let before = epoch().await;
    let bulk = client.transaction().await.unwrap();
    let rows = "INSERT INTO role (root_id, id, tenant_id, name, permissions)
        SELECT t.root_id, uuid_v7(), t.id, 'bulk ' || n, '{}' FROM tenant t, generate_series(1, 3) n WHERE t.slug = 'wna'";
    for number in 0..3 {
        bulk.batch_execute(&rows.replace("bulk", &format!("bulk {number}"))).await.unwrap();
    }
    let tenant = tenant(&app, "itrp").await;
    let input = json!({ "tenantId": tenant, "name": "new", "permissions": ["SLAS_READ"] });
    let made = done(&app, OPERATOR, "roleCreate", input, "role { id }");
    tokio::time::timeout(Duration::from_secs(8), made)
        .await
        .expect("it waits for what another has not finished");
    assert_eq!(epoch().await, before + 1);
    bulk.commit().await.unwrap();
    assert_eq!(epoch().await, before + 2, "once for a transaction, however much it changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hands_on_a_permission_that_they_do_not_hold_in_the_tenant_themselves() {
    let app = App::sampled().await;
    let wna = tenant(&app, "wna").await;
    let login = "access@wna.example.com";
    let own = admin(&app, &wna, login, &["TENANTS_ADMIN", "SLAS_READ"]).await;
    let other = person(&app, &wna, "other@wna.example.com").await;

    // A role is made of what its maker holds, and changed within it.
    let make = |permissions: &[&str]| json!({ "tenantId": wna, "name": permissions.join(" and "), "permissions": permissions });
    let refused = run(&app, login, "roleCreate", make(&["SLAS_READ", "SLAS_WRITE"]), "role { id }").await;
    assert_eq!(mistakes(&refused), forbidden("input.permissions.1"));
    assert_eq!(refused["role"], Value::Null);
    let message = refused["errors"][0]["message"].as_str().unwrap();
    assert_eq!(message, "You do not hold slas:write in this tenant: ask somebody who does.");
    let made = done(&app, login, "roleCreate", make(&["SLAS_READ"]), "role { id revision }").await;
    let narrow = made["role"]["id"].clone();
    let input = json!({ "tenantId": wna, "roleId": narrow, "personId": own });
    done(&app, login, "roleGrant", input, "roleGrant { id }").await;
    // Widening a role that is granted already is granting.
    let wider = json!({ "id": narrow, "permissions": ["SLAS_READ", "BREACHES_READ", "SLAS_WRITE"] });
    let refused = run(&app, login, "roleUpdate", wider.clone(), "role { permissions }").await;
    assert_eq!(
        mistakes(&refused),
        [forbidden("input.permissions.1"), forbidden("input.permissions.2")].concat()
    );
    let query = "query ($t: ID!) { viewer { permissions(tenant: $t) } }";
    let rights = app.data(login, query, json!({ "t": wna })).await;
    assert_eq!(rights["viewer"]["permissions"], json!(["SLAS_READ", "TENANTS_ADMIN"]));
    // Who holds them may, and it works at once for everybody who was granted it.
    done(&app, MANAGER, "roleUpdate", wider, "role { permissions }").await;
    let rights = app.data(login, query, json!({ "t": wna })).await;
    assert_eq!(
        rights["viewer"]["permissions"],
        json!(["SLAS_READ", "SLAS_WRITE", "BREACHES_READ", "TENANTS_ADMIN"])
    );
    done(&app, MANAGER, "roleUpdate", json!({ "id": narrow, "permissions": ["SLAS_READ"] }), "role { id }")
        .await;

    // Nor is a role granted that holds more, to another or to oneself.
    let reader = role(&app, "Reader").await;
    for grantee in [&own, &other] {
        let input = json!({ "tenantId": wna, "roleId": reader, "personId": grantee });
        let refused = run(&app, login, "roleGrant", input, "roleGrant { id }").await;
        let beyond = mistakes(&refused);
        assert!(
            beyond.len() == 6 && beyond.iter().all(|mistake| *mistake == forbidden("input.roleId")[0]),
            "{refused}"
        );
        let text = refused.to_string();
        assert!(text.contains(" requests:read ") && !text.contains(" slas:read "), "{text}");
    }
    // Nor a token with a wider scope.
    let token = |scopes: Value| json!({ "tenantId": wna, "name": "Wallboard", "scopes": scopes });
    let refused =
        run(&app, login, "serviceTokenCreate", token(json!(["SLAS_READ", "SLAS_WRITE"])), "token").await;
    assert_eq!(mistakes(&refused), forbidden("input.scopes.1"));
    assert_eq!(refused["token"], Value::Null);
    done(&app, login, "serviceTokenCreate", token(json!(["SLAS_READ"])), "token").await;
    // Nor does one become somebody who may more, by changing how that one signs in.
    let query = "{ people(filter: { email: { eq: \"manager@wna.example.com\" } }) { nodes { id } } }";
    let manager = app.data(OPERATOR, query, json!({})).await["people"]["nodes"][0]["id"].clone();
    let take = json!({ "id": manager, "login": "mallory@wna.example.com" });
    let refused = run(&app, login, "personUpdate", take.clone(), "person { id }").await;
    assert_eq!(mistakes(&refused), forbidden("input.login"));
    // Nor by a token of one's own that is narrower than what it was granted.
    let made = done(
        &app,
        MANAGER,
        "serviceTokenCreate",
        token(json!(["TENANTS_ADMIN"])),
        "serviceToken { id } token",
    )
    .await;
    let input = json!({ "tenantId": wna, "roleId": role(&app, "Manager").await, "serviceTokenId": made["serviceToken"]["id"] });
    done(&app, MANAGER, "roleGrant", input, "roleGrant { id }").await;
    let authorization = format!("Bearer {}", made["token"].as_str().unwrap());
    let headers = [("authorization", authorization.as_str())];
    for (query, input) in [
        (
            "mutation ($input: PersonUpdateInput!) { it: personUpdate(input: $input) { errors { path } } }",
            take,
        ),
        (
            "mutation ($input: RoleCreateInput!) { it: roleCreate(input: $input) { errors { path } } }",
            make(&["SLAS_READ"]),
        ),
    ] {
        let (_, body) = app.post("application/json", &headers, query, json!({ "input": input })).await;
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["data"]["it"]["errors"].as_array().map(Vec::len), Some(1), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_of_a_tenant_administrates_it_and_what_is_below_and_nothing_else() {
    let app = App::sampled().await;
    let (wna, hq, finance) =
        (tenant(&app, "wna").await, tenant(&app, "wna-hq").await, tenant(&app, "wna-hq-finance").await);
    let reads = [
        "SLAS_READ",
        "LIMITS_ACCESS",
        "LIMITS_READ",
        "AFFECTED_SLAS_READ",
        "REQUESTS_READ",
        "CATALOG_READ",
        "BREACHES_READ",
    ];
    let login = "admin@hq.example.com";
    let own = admin(&app, &hq, login, &[&["TENANTS_ADMIN"], &reads[..]].concat()).await;
    let sibling = done(
        &app,
        OPERATOR,
        "tenantCreate",
        json!({ "parentId": wna, "slug": "wna-west", "name": "West", "timeZone": "UTC" }),
        "tenant { id }",
    )
    .await["tenant"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    // A tenant that was just made can be used at once.
    let stranger = person(&app, &sibling, "somebody@west.example.com").await;
    let above = person(&app, &wna, "above@wna.example.com").await;
    let below = person(&app, &finance, "below@finance.example.com").await;
    let reader = role(&app, "Reader").await;
    let grant =
        |tenant: &str, grantee: &str| json!({ "tenantId": tenant, "roleId": reader, "personId": grantee });
    for (tenant, grantee) in [(&hq, &above), (&hq, &below), (&finance, &own)] {
        let made = done(
            &app,
            login,
            "roleGrant",
            grant(tenant, grantee),
            "roleGrant { role { name } person { id } }",
        )
        .await;
        assert_eq!(made["roleGrant"]["role"]["name"], "Reader");
    }
    let refused = run(&app, login, "roleGrant", grant(&hq, &stranger), "roleGrant { id }").await;
    assert_eq!(mistakes(&refused), [("NOT_FOUND".to_owned(), "input.personId".to_owned())]);
    // Nobody at all is answered like somebody who is out of reach.
    let nobody =
        run(&app, login, "roleGrant", grant(&hq, "00000000-0000-0000-0000-000000000001"), "roleGrant { id }")
            .await;
    assert_eq!(nobody["errors"], refused["errors"]);
    let both = json!({ "tenantId": hq, "roleId": reader, "personId": own, "serviceTokenId": own });
    let refused = run(&app, login, "roleGrant", both, "roleGrant { id }").await;
    assert_eq!(mistakes(&refused)[0], ("INVALID".to_owned(), "input.personId".to_owned()));
    let neither =
        run(&app, login, "roleGrant", json!({ "tenantId": hq, "roleId": reader }), "roleGrant { id }").await;
    assert_eq!(mistakes(&neither), [("REQUIRED".to_owned(), "input.personId".to_owned())]);
    // Above and beside, tenants are not there, and their roles are theirs alone to change.
    for tenant in [&wna, &sibling] {
        let query = "mutation ($input: RoleGrantInput!) { roleGrant(input: $input) { errors { code } } }";
        let answer = app.ask(login, query, json!({ "input": grant(tenant, &own) })).await;
        assert_eq!(refusal(&answer).map(|(code, _)| code), Some("NOT_FOUND"), "{answer}");
    }
    let query = "mutation ($input: RoleUpdateInput!) { roleUpdate(input: $input) { errors { code } } }";
    let answer = app.ask(login, query, json!({ "input": { "id": reader, "name": "Mine" } })).await;
    assert_eq!(refusal(&answer).map(|(code, _)| code), Some("FORBIDDEN"), "{answer}");
    // They see who may do what in their own tenants, with roles that come from above.
    let query =
        "{ roleGrants(first: 100) { nodes { tenant { slug } role { name } } } serviceTokens { totalCount } }";
    let data = app.data(login, query, json!({})).await;
    let grants = data["roleGrants"]["nodes"].as_array().unwrap();
    assert_eq!(grants.len(), 4, "{data}");
    assert!(
        grants.iter().all(|grant| grant["tenant"]["slug"].as_str().unwrap().starts_with("wna-hq")),
        "{data}"
    );
    // A role that is granted cannot be deleted; one that is not, can.
    let refused = run(&app, MANAGER, "roleDelete", json!({ "id": reader }), "deletedId").await;
    assert_eq!(mistakes(&refused), [("IN_USE".to_owned(), "input.id".to_owned())]);
    let input = json!({ "tenantId": hq, "name": "Spare", "permissions": ["SLAS_READ"] });
    let spare = done(&app, login, "roleCreate", input.clone(), "role { id }").await["role"]["id"].clone();
    let refused = run(&app, login, "roleCreate", input, "role { id }").await;
    assert_eq!(mistakes(&refused), [("DUPLICATE".to_owned(), "input.name".to_owned())]);
    done(&app, login, "roleDelete", json!({ "id": spare }), "deletedId").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_claimed_in_two_trees_at_once_is_one_person_of_one_of_them() {
    let app = App::sampled().await;
    let (wna, itrp) = (tenant(&app, "wna").await, tenant(&app, "itrp").await);
    let claim = |tenant: &str, login: String| {
        let input = json!({ "tenantId": tenant, "firstName": "Some", "lastName": "Body", "login": login });
        run(&app, OPERATOR, "personCreate", input, "person { id }")
    };
    for round in 0..20 {
        // Upper and lower case are one login.
        let (one, other) = (format!("claimed{round}@example.com"), format!("Claimed{round}@example.com"));
        let (one, other) = tokio::join!(claim(&wna, one), claim(&itrp, other));
        let mut told: Vec<_> = [one, other].iter().map(mistakes).collect();
        told.sort();
        assert_eq!(told, [vec![], vec![("INVALID".to_owned(), "input.login".to_owned())]], "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_token_is_shown_once_kept_as_a_hash_narrowed_ended_and_revoked() {
    let app = App::sampled().await;
    let wna = tenant(&app, "wna").await;
    let selection =
        "serviceToken { id uuid name scopes expiresAt revokedAt revision createdBy { email } } token";
    let input = json!({ "tenantId": wna, "name": "Wallboard", "scopes": ["BREACHES_READ", "SLAS_READ", "SLAS_READ"],
        "expiresAt": "2999-01-01T00:00:00Z", "clientMutationId": "wallboard 1" });
    let made = done(&app, MANAGER, "serviceTokenCreate", input.clone(), selection).await;
    let (token, kept) = (made["token"].as_str().unwrap().to_owned(), &made["serviceToken"]);
    assert_eq!(kept["scopes"], json!(["BREACHES_READ", "SLAS_READ"]));
    // A retry finds the token, and not its secret.
    let again = done(&app, MANAGER, "serviceTokenCreate", input, selection).await;
    assert_eq!((&again["serviceToken"], &again["token"]), (kept, &Value::Null));
    let ended = json!({ "tenantId": wna, "name": "", "expiresAt": "2001-01-01T00:00:00Z" });
    let refused = run(&app, MANAGER, "serviceTokenCreate", ended, selection).await;
    let required = |code: &str, path: &str| (code.to_owned(), path.to_owned());
    assert_eq!(
        mistakes(&refused),
        [required("REQUIRED", "input.name"), required("INVALID", "input.expiresAt")]
    );

    // It may do what it is granted, within its scopes.
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    let ask = async |query: &str| -> Value {
        let (_, body) = app.post("application/json", &headers, query, json!({})).await;
        serde_json::from_str(&body).unwrap()
    };
    assert_eq!(refusal(&ask("{ slas { totalCount } }").await).map(|(code, _)| code), Some("FORBIDDEN"));
    let input =
        json!({ "tenantId": wna, "roleId": role(&app, "Manager").await, "serviceTokenId": kept["id"] });
    let granted =
        done(&app, MANAGER, "roleGrant", input, "roleGrant { id serviceToken { name } person { id } }").await;
    assert_eq!(granted["roleGrant"]["serviceToken"]["name"], "Wallboard");
    let rights = format!(
        "{{ viewer {{ name person {{ id }} permissions(tenant: \"{wna}\") serviceToken {{ name }} }} slas {{ totalCount }} }}"
    );
    let seen = ask(&rights).await;
    assert_eq!(seen["data"]["viewer"]["permissions"], json!(["SLAS_READ", "BREACHES_READ"]), "{seen}");
    assert_eq!(refusal(&ask("{ requests { totalCount } }").await).map(|(code, _)| code), Some("FORBIDDEN"));
    let query = "query ($id: ID!) { serviceToken(id: $id) { roleGrants { nodes { role { name } } } } }";
    let data = app.data(MANAGER, query, json!({ "id": kept["id"] })).await;
    assert_eq!(data["serviceToken"]["roleGrants"]["nodes"], json!([{ "role": { "name": "Manager" } }]));

    // Revoked, it is nobody; revoked again, it was so then.
    let revoke = json!({ "id": kept["id"] });
    let selection = "serviceToken { revokedAt revision }";
    let first = done(&app, MANAGER, "serviceTokenRevoke", revoke.clone(), selection).await;
    assert!(
        first["serviceToken"]["revokedAt"].is_string() && first["serviceToken"]["revision"] == 2,
        "{first}"
    );
    assert_eq!(refusal(&ask("{ viewer { name } }").await).map(|(code, _)| code), Some("UNAUTHENTICATED"));
    assert_eq!(done(&app, MANAGER, "serviceTokenRevoke", revoke, selection).await, first);

    // The audit log tells who did what, and nothing that proves a secret (rule P4).
    let query = "query ($t: ID!) { auditLog(first: 100, filter: { tenant: { eq: $t } }) { nodes { action actorName before after } } }";
    let log = app.data(MANAGER, query, json!({ "t": wna })).await["auditLog"]["nodes"].take();
    let actions: Vec<&str> =
        log.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    for action in ["serviceTokenCreate", "roleGrant", "serviceTokenRevoke"] {
        assert_eq!(actions.iter().filter(|known| **known == action).count(), 1, "{action}: {actions:?}");
    }
    let secret = token.splitn(3, '_').nth(2).unwrap();
    let log = log.to_string();
    assert!(!log.contains(secret) && !log.contains("secret_hash") && log.contains("revoked_at"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_what_one_may_not_read_of_an_object_is_null_with_an_error_and_the_rest_of_it_stands() {
    let app = App::sampled().await;
    let login = "slas@wna.example.com";
    admin(&app, &tenant(&app, "wna").await, login, &["SLAS_READ"]).await;
    let query = "{ tenant(slug: \"wna\") { name requests { totalCount } slas(first: 1) { nodes { name
        versions { totalCount } activations { totalCount } affectedSlas { totalCount } breaches { totalCount }
        auditLog { totalCount } attainment(from: \"2016-03-01T00:00:00Z\", to: \"2016-04-01T00:00:00Z\") { timeZone } } } } }";
    let answer = app.ask(login, query, json!({})).await;
    let tenant = &answer["data"]["tenant"];
    let sla = &tenant["slas"]["nodes"][0];
    assert_eq!((&tenant["name"], &tenant["requests"]), (&json!("Widget North America"), &Value::Null));
    assert!(sla["name"].is_string(), "{answer}");
    assert!(sla["versions"]["totalCount"].as_i64() >= Some(1), "{answer}");
    let mut told: Vec<(String, &str)> = Vec::new();
    for error in answer["errors"].as_array().unwrap() {
        assert_eq!(error["extensions"]["code"], "FORBIDDEN", "{error}");
        let path = error["path"].as_array().unwrap().iter().map(|step| step.to_string().replace('"', ""));
        told.push((path.collect::<Vec<_>>().join("."), error["extensions"]["permission"].as_str().unwrap()));
    }
    told.sort_unstable();
    let below = |field: &str| format!("tenant.slas.nodes.0.{field}");
    let expected = [
        ("tenant.requests".to_owned(), "requests:read"),
        (below("affectedSlas"), "affected-slas:read"),
        (below("attainment"), "affected-slas:read"),
        (below("auditLog"), "tenants:admin"),
        (below("breaches"), "breaches:read"),
    ];
    assert_eq!(told, expected);
    // So with what is wrong in the arguments of a list.
    let query = "{ tenant(slug: \"wna\") { name children(after: \"x\") { totalCount } } }";
    let answer = app.ask(login, query, json!({})).await;
    let stands = json!({ "name": "Widget North America", "children": null });
    assert_eq!(answer["data"]["tenant"], stands);
    assert_eq!(refusal(&answer).map(|(code, _)| code), Some("CURSOR_INVALID"));
}
