//! Bulk intake: many requests, events and times at once.

use async_graphql::Variables;
use serde_json::{Value, json};
use sla_gateway::graphql::document::Ask;

use crate::app::App;
use crate::intake::{clock, key, number, ticket, with, world, written};

async fn ask(app: &App, login: &str, mutation: &str, input: Value) -> Value {
    let kind = format!("{}{}", mutation[..1].to_uppercase(), &mutation[1..]);
    let object = if mutation.starts_with("time") { "timeEntry { uuid endedAt }" } else { REQUEST };
    let query = format!(
        "mutation($input: {kind}Input!) {{ payload: {mutation}(input: $input) {{ accepted clientMutationId results {{
           {object} errors {{ code path }} clientMutationId }} }} }}"
    );
    app.ask(login, &query, json!({ "input": input })).await
}

const REQUEST: &str = "request { id sourceId status impact affectedSlas { nodes { sla { name } nextTarget actualResponseAt } } }";

async fn done(app: &App, mutation: &str, input: Value) -> Value {
    let mut answer = ask(app, "agent", mutation, input).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["payload"].take()
}

fn sourced(number: usize) -> Value {
    with(
        ticket(),
        json!({ "source": "desk", "sourceId": number.to_string(), "clientMutationId": format!("row {number}") }),
    )
}

fn mistakes(payload: &Value) -> Vec<String> {
    let results = payload["results"].as_array().unwrap().iter();
    results
        .flat_map(|result| result["errors"].as_array().unwrap())
        .map(|error| {
            let path: Vec<&str> =
                error["path"].as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
            format!("{} {}", path.join("."), error["code"].as_str().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_x14_requests_and_their_events_told_by_the_hundred_have_the_clocks_of_those_told_one_by_one() {
    let app = world().await;
    let rows: Vec<Value> = (0..100).map(sourced).collect();
    let payload = done(&app, "requestRegisterMany", json!({ "rows": rows, "clientMutationId": "all" })).await;
    assert_eq!((&payload["accepted"], &payload["clientMutationId"]), (&json!(100), &json!("all")));
    let last = &payload["results"][99];
    assert_eq!((&last["request"]["sourceId"], &last["clientMutationId"]), (&json!("99"), &json!("row 99")));
    assert_eq!(number(&app, "SELECT count(*) FROM affected_sla").await, 200);

    // Backwards, each twice, by id or by source.
    let events: Vec<Value> = (0..200)
        .rev()
        .map(|n| {
            let status = if n % 2 == 0 { "ACCEPTED" } else { "IN_PROGRESS" };
            let at = format!("2026-03-02T10:{:02}:00Z", 10 + n % 2);
            let event = json!({ "status": status, "occurredAt": at, "sequence": n + 1 });
            match n % 4 {
                0 | 3 => with(event, json!({ "requestId": payload["results"][n / 2]["request"]["id"] })),
                _ => with(
                    event,
                    json!({ "tenantId": key(1), "source": "desk", "sourceId": (n / 2).to_string() }),
                ),
            }
        })
        .collect();
    for _ in 0..2 {
        let recorded = done(&app, "requestRecordMany", json!({ "rows": events })).await;
        assert_eq!(recorded["accepted"], 200, "{:?}", mistakes(&recorded));
        assert_eq!(recorded["results"][0]["request"]["status"], "IN_PROGRESS");
    }
    assert_eq!(number(&app, "SELECT count(*) FROM request_event").await, 300);
    assert_eq!(number(&app, "SELECT count(*) FROM audit_entry").await, 300, "P4: one for each");
    let single = written(&app, "requestRegister", ticket()).await;
    let mut last = Value::Null;
    for (status, at) in [("ACCEPTED", "2026-03-02T10:10:00Z"), ("IN_PROGRESS", "2026-03-02T10:11:00Z")] {
        last = written(
            &app,
            "requestRecord",
            json!({ "requestId": single["id"], "status": status, "occurredAt": at }),
        )
        .await;
    }
    let different = "SELECT count(DISTINCT (sla_id, response_target_at, resolution_target_at, actual_response_at, next_target,
        next_target_at, stopped_clock_duration, impact, accountability)) FROM affected_sla";
    assert_eq!(number(&app, different).await, 2, "one for each SLA");
    assert_eq!(clock(&last, "Mail server")["actualResponseAt"], "2026-03-02T10:11:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_are_taken_in_or_none_or_each_that_is_right_or_nothing_at_all() {
    let app = world().await;
    let rows = json!([
        sourced(0),
        with(sourced(1), json!({ "subject": " ", "teamId": key(999) })),
        with(sourced(2), json!({ "teamId": key(998), "slaId": "no id" })),
        // Told before, in the same call: one request, called as it was told last.
        with(sourced(0), json!({ "subject": "Renamed" })),
    ]);
    let expected = [
        "input.rows.1.subject REQUIRED",
        "input.rows.1.teamId NOT_FOUND",
        "input.rows.2.slaId INVALID",
        "input.rows.2.teamId NOT_FOUND",
    ];
    let atomic = done(&app, "requestRegisterMany", json!({ "rows": rows })).await;
    assert_eq!(mistakes(&atomic), expected);
    assert_eq!(atomic["results"][0]["request"], Value::Null);
    let dry = done(&app, "requestRegisterMany", json!({ "rows": [sourced(0)], "dryRun": true })).await;
    assert_eq!((&dry["accepted"], &dry["results"][0]["request"]), (&json!(1), &Value::Null));
    assert_eq!(number(&app, "SELECT count(*) FROM request").await, 0);
    let each = done(&app, "requestRegisterMany", json!({ "rows": rows, "atomic": false })).await;
    assert_eq!((&each["accepted"], mistakes(&each)), (&json!(2), expected.map(str::to_owned).to_vec()));
    assert_eq!(each["results"][0]["request"]["id"], each["results"][3]["request"]["id"]);
    assert_eq!(number(&app, "SELECT count(*) FROM request WHERE subject = 'Renamed'").await, 1);
    assert_eq!(number(&app, "SELECT count(*) FROM request").await, 1);
    // What refers to nothing is found for all rows at once.
    let wrong = json!([
        with(sourced(5), json!({ "teamId": key(999), "requesterId": key(999) })),
        with(sourced(6), json!({ "teamId": key(999) })),
        sourced(7)
    ]);
    let each = done(&app, "requestRegisterMany", json!({ "rows": wrong, "atomic": false })).await;
    let mut found = mistakes(&each);
    found.sort();
    assert_eq!(
        found,
        [
            "input.rows.0.requesterId NOT_FOUND",
            "input.rows.0.teamId NOT_FOUND",
            "input.rows.1.teamId NOT_FOUND"
        ]
    );
    assert_eq!(each["results"][2]["request"]["sourceId"], "7");

    let id = &each["results"][2]["request"]["id"];
    let events = json!([
        { "requestId": id, "status": "ACCEPTED" },
        { "requestId": key(999), "status": "ACCEPTED" },
        { "tenantId": key(1), "source": "desk", "sourceId": "none", "sequence": -1, "teamId": key(999) },
        { "status": "ACCEPTED" },
        { "requestId": id, "source": "desk", "status": "ACCEPTED" },
    ]);
    let each = done(&app, "requestRecordMany", json!({ "rows": events, "atomic": false })).await;
    let expected = [
        "input.rows.1.requestId NOT_FOUND",
        "input.rows.2.sourceId NOT_FOUND",
        "input.rows.2.sequence INVALID",
        "input.rows.2.teamId NOT_FOUND",
        "input.rows.3 REQUIRED",
        "input.rows.4.requestId INVALID",
    ];
    assert_eq!(mistakes(&each), expected);
    assert_eq!(each["results"][0]["request"]["status"], "ACCEPTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_bulk_intake_needs_the_right_in_the_tenant_of_each_row_and_is_bounded() {
    let app = world().await;
    let request = written(&app, "requestRegister", ticket()).await;
    let project = format!(
        "INSERT INTO project (root_id, id, tenant_id, name) VALUES ('{0}', '{1}', '{0}', 'One')",
        key(1),
        key(200)
    );
    app.database.client().await.batch_execute(&project).await.unwrap();
    let entry = json!({ "projectId": key(200), "category": "work", "startedAt": "2026-03-02T08:00:00Z", "endedAt": "2026-03-02T09:00:00Z" });
    for (mutation, row) in [
        ("requestRegisterMany", ticket()),
        ("requestRecordMany", json!({ "requestId": request["id"], "status": "ACCEPTED" })),
        ("timeEntryRecordMany", entry.clone()),
    ] {
        let answer = ask(&app, "", mutation, json!({ "rows": [row] })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{mutation}: {answer}");
        let answer = ask(&app, "reader", mutation, json!({ "rows": [row] })).await;
        let told = mistakes(&answer["data"]["payload"]);
        assert!(told.len() == 1 && told[0].ends_with("Id FORBIDDEN"), "{mutation}: {answer}");
        let many = vec![row; 1_001];
        let answer = ask(&app, "agent", mutation, json!({ "rows": many })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED", "{mutation}: {answer}");
        assert_eq!(done(&app, mutation, json!({ "rows": [] })).await["results"], json!([]));
    }
    let entries = json!([
        with(entry.clone(), json!({ "source": "tracker", "sourceId": "1" })),
        with(entry.clone(), json!({ "projectId": key(999) })),
        with(entry.clone(), json!({ "category": "", "personId": key(999) })),
        with(entry.clone(), json!({ "personId": key(999) })),
        with(entry, json!({ "source": "tracker", "sourceId": "1", "endedAt": "2026-03-02T10:00:00Z" })),
    ]);
    let payload = done(&app, "timeEntryRecordMany", json!({ "rows": entries, "atomic": false })).await;
    let expected = [
        "input.rows.1.projectId NOT_FOUND",
        "input.rows.2.category REQUIRED",
        "input.rows.2.personId NOT_FOUND",
        "input.rows.3.personId NOT_FOUND",
    ];
    assert_eq!(mistakes(&payload), expected);
    assert_eq!(payload["results"][0], payload["results"][4], "one entry, as it was logged last");
    assert_eq!(payload["results"][0]["timeEntry"]["endedAt"], "2026-03-02T10:00:00Z");
    assert_eq!(number(&app, "SELECT count(*) FROM time_entry").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_statements_does_not_grow_with_the_rows() {
    let app = world().await;
    let query =
        "mutation($input: RequestRegisterManyInput!) { requestRegisterMany(input: $input) { accepted } }";
    let mut counts = Vec::new();
    for rows in [1, 10, 300] {
        let rows: Vec<Value> = (0..rows).map(|number| sourced(rows * 1_000 + number)).collect();
        counts.push(app.statements("agent", query, json!({ "input": { "rows": rows } })).await);
    }
    // Those within the transaction are counted too.
    assert!(counts[0] > 10 && counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_requests_with_more_clocks_than_are_computed_together_have_each_its_own() {
    let app = world().await;
    let many = format!(
        "INSERT INTO sla (root_id, id, tenant_id, kind, name, status, active_version_id, customer_id)
           SELECT s.root_id, gen_random_uuid(), s.tenant_id, s.kind, 'More ' || n, s.status, s.active_version_id, s.customer_id
           FROM sla s, generate_series(1, 60) n WHERE s.id = '{sla}';
         INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, service_offering_id,
             service_instance_id, coverage)
           SELECT v.root_id, gen_random_uuid(), v.tenant_id, s.id, 1, 'v1', v.kind, v.service_offering_id,
             v.service_instance_id, 'customer_account'
           FROM sla s, sla_version v WHERE s.name LIKE 'More %' AND v.id = s.active_version_id;
         UPDATE sla s SET active_version_id = v.id FROM sla_version v WHERE v.sla_id = s.id AND s.name LIKE 'More %'",
        sla = key(81),
    );
    app.database.client().await.batch_execute(&many).await.unwrap();
    // How many clocks the request of each row has once all are told of at once, and how many statements that took, however
    // long it takes.
    let viewer = app.gateway.viewer(Some(&app.token("agent"))).await.unwrap();
    let told = async |mutation: &str, rows: Vec<Value>| {
        let input = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
        let query = format!(
            "mutation($input: {input}!) {{ payload: {mutation}(input: $input) {{ accepted results {{
               request {{ affectedSlas {{ totalCount }} }} }} }} }}"
        );
        let ask = Ask {
            query: Some(query),
            variables: Variables::from_json(json!({ "input": { "rows": rows } })),
            extensions: serde_json::from_value(json!({ "statements": true })).unwrap(),
            ..Ask::default()
        };
        let operation = app.gateway.prepare(ask).unwrap();
        let answer = app.gateway.execute(operation, viewer.clone()).await;
        let answer = serde_json::to_value(answer).unwrap();
        assert_eq!(answer["errors"], Value::Null, "{answer}");
        let results = answer["data"]["payload"]["results"].as_array().unwrap().iter();
        let counted = results.map(|row| row["request"]["affectedSlas"]["totalCount"].as_u64().unwrap());
        (counted.collect::<Vec<_>>(), answer["extensions"]["statements"].as_u64().unwrap())
    };
    let event = |number: usize| {
        json!({ "tenantId": key(1), "source": "desk", "sourceId": number.to_string(), "status": "IN_PROGRESS",
            "occurredAt": "2026-03-02T10:10:00Z" })
    };
    // Of few at once each has all of its clocks, and so it has of many; which are taken in parts, so that those in memory are
    // no more however many are told of.
    for (mutation, row) in
        [("requestRegisterMany", &sourced as &dyn Fn(usize) -> Value), ("requestRecordMany", &event)]
    {
        let (few, at_once) = told(mutation, vec![row(0)]).await;
        assert!(few[0] > 60, "{mutation}: {few:?}");
        let (many, in_parts) = told(mutation, (1..=90).map(row).collect()).await;
        assert_eq!(many, vec![few[0]; 90], "{mutation}");
        assert!(in_parts > at_once, "{mutation}: {at_once} statements for one row, {in_parts} for ninety");
    }
    let states = |of: &str| {
        format!(
            "SELECT count(DISTINCT (actual_response_at, next_target, response_target_at)) FROM affected_sla WHERE {of}"
        )
    };
    let one = number(&app, &states("request_id = (SELECT id FROM request WHERE source_id = '0')")).await;
    assert_eq!(number(&app, &states("true")).await, one);
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_of_a_service_as_a_whole_instances_count_that_the_request_was_about_and_not_those_of_others_taken_in_with_it()
 {
    let app = world().await;
    let whole = format!(
        "INSERT INTO service_instance (root_id, id, tenant_id, service_id, name, support_team_id) VALUES
           ('{root}', '{other}', '{root}', '{mail}', 'Mail of others', '{team}');
         INSERT INTO sla (root_id, id, tenant_id, kind, name, status, active_version_id, customer_id) VALUES
           ('{root}', '{sla}', '{root}', 'service', 'All mail', 'active', '{version}', '{customer}');
         INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, service_offering_id, coverage) VALUES
           ('{root}', '{version}', '{root}', '{sla}', 1, 'v1', 'service', '{offering}', 'customer_account')",
        root = key(1),
        customer = key(11),
        team = key(22),
        mail = key(60),
        offering = key(61),
        other = key(75),
        sla = key(85),
        version = key(95),
    );
    app.database.client().await.batch_execute(&whole).await.unwrap();
    // Passed on to a team that supports another instance than its own.
    let own = with(ticket(), json!({ "teamId": key(22) }));
    let other = with(ticket(), json!({ "serviceInstanceId": key(75) }));
    for rows in [json!([own]), json!([own, other])] {
        let payload = done(&app, "requestRegisterMany", json!({ "rows": rows })).await;
        let given = &clock(&payload["results"][0]["request"], "All mail")["actualResponseAt"];
        assert_eq!(given, "2026-03-02T10:00:00Z", "{payload}");
    }
}
