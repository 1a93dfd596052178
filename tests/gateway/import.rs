//! `sla-gateway import requests`: from files of other systems to requests and their clocks.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::app::App;
use crate::chats::desk;
use crate::cli::gateway;
use crate::intake::{clock, fields, key, number, recorded, ticket, with, world, written};
use crate::sample::content;

/// A log of two incidents in the form of ServiceNow's: out of order, one row twice, three rows bad.
const LOG: &str = "\
number,incident_state,caller_id,opened_at,sys_updated_at,sys_mod_count,impact,assignment_group
INC1,Awaiting User Info,agent,2/3/2026 10:00,2/3/2026 16:00,2,1 - High,Support
INC1,New,agent,2/3/2026 10:00,2/3/2026 10:01,0,1 - High,Support
INC1,New,agent,2/3/2026 10:00,2/3/2026 10:01,0,1 - High,Support
INC1,-100,agent,2/3/2026 10:00,2/3/2026 10:01,1,1 - High,Support
INC2,New,?,3/3/2026 10:00,3/3/2026 10:00,0,3 - Low,Nobody we know
INC1,Active,agent,2/3/2026 10:00,3/3/2026 09:30,3,1 - High,Support
INC2,New,?,3/3/2026 10:00
INC1,Resolved,agent,2/3/2026 10:00,3/3/2026 11:00,4,1 - High,Support
INC2,Active,?,3/3/2026 10:00,3/3/2026 10:30,1,3 - Low,?
";

/// Runs the command on a file of this content.
async fn import(app: &App, name: &str, content: impl AsRef<[u8]>, flags: &[&str]) -> (bool, String, String) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join(name);
    fs::write(&file, content).unwrap();
    let mut command = gateway(&["import", "requests", "--log=warn"]);
    command
        .arg(&file)
        .args(flags)
        .env("DATABASE_URL", &app.database.url)
        .env("SLA_GATEWAY_IMPORT_TENANT", "acme");
    let Output { status, stdout, stderr } = spawn_blocking(move || command.output().unwrap()).await.unwrap();
    drop(directory);
    (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

async fn requests(app: &App) -> Vec<Value> {
    let query = "{ requests(orderBy: [{ field: SOURCE_ID }], first: 100) { nodes { source sourceId subject status impact
        registeredAt revision requester { name } team { name } events { totalCount }
        affectedSlas { nodes { sla { name } startedAt accountability nextTarget nextTargetAt stoppedClockDuration responseTargetAt
          resolutionTargetAt actualResponseAt actualResolutionAt actualResolutionDuration } } } } }";
    app.data("agent", query, json!({})).await["requests"]["nodes"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_a_log_is_taken_in_whatever_its_order_and_its_bad_rows_are_named_and_skipped() {
    let app = world().await;
    let flags = ["--mapping=servicenow", "--source=desk", "--sla=Mail server"];
    let (well, said, why) = import(&app, "log.csv", LOG, &flags).await;
    assert_eq!(said, "9 rows read: 2 requests registered, 5 events recorded, 0 people and teams made.\n");
    assert!(!well, "a skipped row is told by the exit code too");
    let named: Vec<&str> = why.lines().collect();
    assert_eq!(named.len(), 4, "{why}");
    let sentences: BTreeSet<&str> = named[..3].iter().copied().collect();
    for (line, about) in
        [(5, "\"-100\" is none of"), (6, "there is no team \"Nobody we know\""), (8, "4 cells")]
    {
        let prefix = format!("line {line}: ");
        assert!(
            sentences.iter().any(|text| text.starts_with(&prefix) && text.contains(about)),
            "{line}: {why}"
        );
    }
    assert!(named[3].contains("3 of 9 rows were skipped"), "{why}");

    let found = requests(&app).await;
    assert_eq!(
        fields(
            &found[0],
            &["source", "sourceId", "subject", "status", "impact", "registeredAt", "requester", "team"]
        ),
        json!({
            "source": "desk", "sourceId": "INC1", "subject": "INC1", "status": "COMPLETED", "impact": "TOP",
            "registeredAt": "2026-03-02T10:00:00Z", "requester": { "name": "Ann Agent" }, "team": { "name": "Support" },
        })
    );
    assert_eq!(found[0]["events"]["totalCount"], 5, "the registration, and each row once");
    // As the same history told in order: one hour of Monday and half an hour of Tuesday stopped (X9, C7).
    assert_eq!(
        fields(
            clock(&found[0], "Mail server"),
            &[
                "startedAt",
                "responseTargetAt",
                "stoppedClockDuration",
                "actualResponseAt",
                "actualResolutionDuration",
                "nextTarget"
            ]
        ),
        json!({
            "startedAt": "2026-03-02T10:00:00Z", "responseTargetAt": "2026-03-02T10:30:00Z", "stoppedClockDuration": 90,
            "actualResponseAt": "2026-03-02T16:00:00Z", "actualResolutionDuration": 450, "nextTarget": "NONE",
        })
    );
    assert_eq!(found[1]["affectedSlas"]["nodes"][0]["nextTarget"], "NO_TARGET");
    assert_eq!(
        number(&app, "SELECT count(*) FROM audit_entry WHERE actor_name = 'sla-gateway import'").await,
        7
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_imported_again_changes_nothing_and_one_that_has_grown_adds_what_is_new() {
    let app = world().await;
    let flags = ["--mapping=servicenow", "--source=desk", "--sla=Mail server", "--create-missing"];
    let shorter: String = LOG.lines().take(3).flat_map(|line| [line, "\n"]).collect();
    let (well, said, why) = import(&app, "log.csv", &shorter, &flags).await;
    assert!(well, "{why}");
    assert_eq!(said, "2 rows read: 1 requests registered, 2 events recorded, 0 people and teams made.\n");
    let (_, said, _) = import(&app, "log.csv", LOG, &flags).await;
    assert_eq!(said, "9 rows read: 1 requests registered, 4 events recorded, 1 people and teams made.\n");
    let before = (requests(&app).await, content(&app.database.client().await).await);
    let (_, said, _) = import(&app, "log.csv", LOG, &flags).await;
    assert_eq!(said, "9 rows read: 0 requests registered, 0 events recorded, 0 people and teams made.\n");
    let after = (requests(&app).await, content(&app.database.client().await).await);
    assert_eq!(before.0, after.0);
    for (table, rows) in &before.1 {
        // Breaches of these years-old targets are recorded meanwhile.
        if !table.starts_with("breach") && table != "deadline" {
            assert_eq!(rows, &after.1[table], "{table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_says_of_a_request_as_a_whole_makes_its_events_no_new_ones_when_it_is_said_otherwise() {
    let app = world().await;
    let rows = |subject: &str| {
        format!(
            "sourceId,occurredAt,status,subject\n\
             A,2026-03-02T10:00:00Z,ASSIGNED,{subject}\n\
             A,2026-03-02T11:00:00Z,ACCEPTED,{subject}\n"
        )
    };
    let (well, said, why) = import(&app, "log.csv", rows("No mail"), &[]).await;
    assert!(well, "{why}");
    assert_eq!(said, "2 rows read: 1 requests registered, 2 events recorded, 0 people and teams made.\n");
    let (_, said, _) = import(&app, "log.csv", rows("No mail at all"), &[]).await;
    assert_eq!(said, "2 rows read: 0 requests registered, 0 events recorded, 0 people and teams made.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_json_and_columns_of_any_name_lead_to_the_clocks_that_a_client_would_get() {
    let app = world().await;
    let told =
        written(&app, "requestRegister", with(ticket(), json!({ "source": "api", "sourceId": "T1" }))).await;
    let rows = [
        json!({ "ref": { "id": 1 }, "sourceId": "F1", "occurredAt": "2026-03-02T11:00:00+01:00", "severity": "P2",
            "requester": "agent", "serviceInstance": "Mail server", "subject": "No mail" }),
        json!({ "sourceId": "F1", "occurredAt": "2026-03-02T12:30:00Z", "status": "in progress", "providerNotAccountable": null }),
    ];
    let file: String = rows.iter().flat_map(|row| [row.to_string(), "\n\n".to_owned()]).collect();
    let flags = ["--map", "impact=severity,sequence=ref.id", "--value", "impact:P2=HIGH"];
    let (well, said, why) = import(&app, "requests", &file, &flags).await;
    assert!(well, "{why}");
    assert_eq!(said, "2 rows read: 1 requests registered, 2 events recorded, 0 people and teams made.\n");
    let event =
        json!({ "requestId": told["id"], "status": "IN_PROGRESS", "occurredAt": "2026-03-02T12:30:00Z" });
    written(&app, "requestRecord", event).await;
    let found = requests(&app).await;
    assert_eq!(found[0]["affectedSlas"], found[1]["affectedSlas"]);
    assert_eq!(found[0]["affectedSlas"]["nodes"].as_array().unwrap().len(), 2, "covered as any ticket (C1)");
    assert_eq!((&found[0]["source"], &found[0]["subject"]), (&json!("import"), &json!("No mail")));
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_what_a_file_tells_of_a_request_as_a_whole_comes_out_the_same_in_any_order_and_in_parts() {
    let app = world().await;
    // The last thing first, in a file of its own, and without the SLA.
    let last = "sourceId,occurredAt,status,impact,subject\nA,2026-03-03T11:00:00Z,COMPLETED,HIGH,\n";
    let (well, _, why) = import(&app, "last.csv", last, &[]).await;
    assert!(well, "{why}");
    let whole = "sourceId,occurredAt,status,impact,subject\n\
        A,2026-03-02T10:00:00Z,ASSIGNED,HIGH,No mail\n\
        B,2026-03-03T11:00:00Z,COMPLETED,HIGH,\n\
        B,2026-03-02T10:00:00Z,ASSIGNED,HIGH,No mail\n";
    let (well, said, why) = import(&app, "whole.csv", whole, &["--sla=Mail server"]).await;
    assert!(well, "{why}");
    assert_eq!(said, "3 rows read: 1 requests registered, 3 events recorded, 0 people and teams made.\n");
    let found = requests(&app).await;
    for request in &found {
        assert_eq!(
            fields(request, &["subject", "registeredAt", "status"]),
            json!({ "subject": "No mail", "registeredAt": "2026-03-02T10:00:00Z", "status": "COMPLETED" })
        );
    }
    assert_eq!(clock(&found[1], "Mail server")["startedAt"], "2026-03-02T10:00:00Z");
    assert_eq!(clock(&found[1], "Mail server")["actualResolutionDuration"], 540);
    assert_eq!(found[0]["affectedSlas"], found[1]["affectedSlas"]);
    let begins = "SELECT count(*) FROM request_event WHERE event_key = 'registered' AND occurred_at = '2026-03-02T10:00:00Z'";
    assert_eq!(number(&app, begins).await, 2);
    let renamed = "SELECT count(*) FROM audit_entry WHERE before ->> 'subject' = 'A' AND after ->> 'subject' = 'No mail'";
    assert_eq!(number(&app, renamed).await, 1, "P4");
    // What it was made from, too.
    let wish =
        whole.replace("sourceId,", "standardServiceRequest,sourceId,").replace("A,2", "New mailbox,A,2");
    let wish = wish.replace("B,2", "New mailbox,B,2");
    let (well, said, why) = import(&app, "wish.csv", &wish, &[]).await;
    assert!(well && said.contains("0 requests registered, 0 events"), "{said}{why}");
    import(&app, "wish.csv", wish.replace("B,2", "C,2"), &["--sla=Mail server"]).await;
    let made = requests(&app).await;
    assert_eq!(clock(&made[0], "Mail server")["resolutionTargetAt"], "2026-03-04T17:00:00Z");
    assert_eq!(made[0]["affectedSlas"], made[1]["affectedSlas"]);
    assert_eq!(made[0]["affectedSlas"], made[2]["affectedSlas"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_tells_of_the_time_before_a_request_was_asked_holds_when_its_clocks_start() {
    let app = world().await;
    let log = "sourceId,occurredAt,registeredAt,status,impact\n\
        A,2026-03-02T09:59:00Z,2026-03-02T10:00:00Z,COMPLETED,HIGH\n\
        B,2026-03-02T10:00:00Z,2026-03-02T10:00:00Z,,HIGH\n";
    let (well, _, why) = import(&app, "log.csv", log, &["--sla=Mail server"]).await;
    assert!(well, "{why}");
    let found = requests(&app).await;
    assert_eq!((&found[0]["status"], &found[1]["status"]), (&json!("COMPLETED"), &json!("ASSIGNED")));
    assert_eq!(clock(&found[0], "Mail server")["actualResolutionAt"], "2026-03-02T10:00:00Z");
    assert_eq!(clock(&found[1], "Mail server")["nextTarget"], "RESPONSE");
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_a_file_that_says_later_that_a_request_came_in_before_moves_the_start_of_its_clocks() {
    let app = world().await;
    let log = "sourceId,occurredAt,status,impact\nA,2026-03-02T10:00:00Z,ASSIGNED,HIGH\n";
    let (well, _, why) = import(&app, "log.csv", log, &["--sla=Mail server"]).await;
    assert!(well, "{why}");
    let said = "sourceId,occurredAt,status,impact,registeredAt\nA,2026-03-02T10:00:00Z,ASSIGNED,HIGH,2026-03-02T09:00:00Z\n";
    let (well, _, why) = import(&app, "log.csv", said, &["--sla=Mail server"]).await;
    assert!(well, "{why}");
    let found = requests(&app).await;
    assert_eq!(found[0]["registeredAt"], "2026-03-02T09:00:00Z");
    assert_eq!(
        fields(clock(&found[0], "Mail server"), &["startedAt", "responseTargetAt"]),
        json!({ "startedAt": "2026-03-02T09:00:00Z", "responseTargetAt": "2026-03-02T10:00:00Z" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_an_sla_that_became_active_between_two_parts_of_a_file_measures_what_it_does_of_the_whole() {
    let app = desk().await;
    let starts = format!(
        "UPDATE sla SET start_date = '2026-03-02' WHERE id IN ('{}', '{}', '{}')",
        key(80),
        key(82),
        key(301)
    );
    app.database.client().await.batch_execute(&starts).await.unwrap();
    let rows = ["2026-03-01T23:50:00Z,ASSIGNED,CHANNEL,FIRST", "2026-03-02T00:10:00Z,ASSIGNED,CHANNEL,SLA"];
    for (channel, first, sla) in
        [("TICKET", "", "Mail server"), ("CALL", "Calls", "Calls"), ("CHAT", "", "Patient")]
    {
        for (name, parts) in [("whole", vec![vec![0, 1]]), ("parts", vec![vec![1], vec![0]])] {
            for part in parts {
                let rows =
                    part.iter().map(|row| format!("{name} {channel},{}\n", rows[*row])).collect::<String>();
                let file = format!("sourceId,occurredAt,status,channel,sla\n{rows}");
                let file = file.replace("CHANNEL", channel).replace("FIRST", first).replace("SLA", sla);
                let (well, said, why) = import(&app, "log.csv", file, &[]).await;
                assert!(well, "{said}{why}");
            }
        }
    }
    let found = requests(&app).await;
    let of = |id: &str| found.iter().find(|request| request["sourceId"] == id).unwrap();
    for part in ["whole", "parts"] {
        for channel in ["TICKET", "CALL"] {
            let request = of(&format!("{part} {channel}"));
            let clocks = request["affectedSlas"]["nodes"].as_array().unwrap();
            assert!(
                clocks.iter().all(|clock| clock["accountability"] == "SLA_NOT_AFFECTED"),
                "{part}: {request}"
            );
        }
        let chat = clock(of(&format!("{part} CHAT")), "Patient");
        let expected =
            json!({ "startedAt": "2026-03-01T23:50:00Z", "responseTargetAt": "2026-03-02T00:20:00Z" });
        assert_eq!(fields(chat, &["startedAt", "responseTargetAt"]), expected, "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_a_chat_whose_rows_name_another_sla_is_given_it_in_whatever_order_they_come() {
    let app = desk().await;
    let rows =
        ["10:00:00Z,ASSIGNED,CHAT,Chats", "10:03:00Z,,CHAT,Patient", "10:20:00Z,IN_PROGRESS,CHAT,Patient"];
    let file = |source_id: &str, order: &[usize]| {
        let rows: String =
            order.iter().map(|row| format!("{source_id},2026-03-02T{}\n", rows[*row])).collect();
        format!("sourceId,occurredAt,status,channel,sla\n{rows}")
    };
    let mut files = vec![
        file("in-order", &[0, 1, 2]),
        file("reversed", &[2, 1, 0]),
        // Nobody says of each row again what it is about.
        file("once", &[1, 2, 0]).replace(",,CHAT,", ",,,").replace("IN_PROGRESS,CHAT", "IN_PROGRESS,"),
        // No ticket or call is given another.
        file("ticket", &[0, 1, 2]).replace("CHAT", "TICKET"),
    ];
    files.extend([2, 1, 0].map(|row| file("in-parts", &[row])));
    for file in files {
        let (well, said, why) = import(&app, "log.csv", &file, &[]).await;
        assert!(well, "{said}{why}");
    }
    let found = requests(&app).await;
    assert_eq!(found.len(), 5);
    let query = "{ requests { nodes { sourceId events { nodes { sla { name } } } affectedSlas { nodes { sla { name } supersededAt
        responseTargetAt actualResponseAt } } } } }";
    for request in app.data("agent", query, json!({})).await["requests"]["nodes"].as_array().unwrap() {
        if request["sourceId"] == "ticket" {
            let events = request["events"]["nodes"].as_array().unwrap();
            assert!(events.iter().all(|event| event["sla"].is_null()), "{request}");
            continue;
        }
        let names = ["supersededAt", "responseTargetAt", "actualResponseAt"];
        assert_eq!(
            [fields(clock(request, "Chats"), &names), fields(clock(request, "Patient"), &names)],
            [
                json!({ "supersededAt": "2026-03-02T10:03:00Z", "responseTargetAt": null, "actualResponseAt": null }),
                json!({ "supersededAt": null, "responseTargetAt": "2026-03-02T10:30:00Z", "actualResponseAt": "2026-03-02T10:20:00Z" }),
            ],
            "{request}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_x14_an_sla_that_is_switched_off_between_two_parts_of_a_file_measures_what_named_it_to_its_end() {
    let app = desk().await;
    let row = |at: &str| {
        format!("sourceId,occurredAt,status,channel,sla\nINC1,2026-03-02T{at},ASSIGNED,TICKET,Mail server\n")
    };
    assert!(import(&app, "log.csv", row("10:00:00Z"), &[]).await.0);
    let off = format!("UPDATE sla SET active = false WHERE id = '{}'", key(80));
    app.database.client().await.batch_execute(&off).await.unwrap();
    assert!(import(&app, "log.csv", row("09:50:00Z"), &[]).await.0);
    let found = requests(&app).await;
    assert_eq!(clock(&found[0], "Mail server")["accountability"], "PROVIDER", "{}", found[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_x14_what_turns_out_to_be_given_while_a_chat_waited_is_decided_then_and_not_when_the_sla_is_switched_on()
 {
    let app = desk().await;
    let row = |at: &str| format!("sourceId,occurredAt,status,channel\nC1,2026-03-02T{at},ASSIGNED,CHAT\n");
    let switch = async |active: bool| {
        let switch = format!("UPDATE sla SET active = {active} WHERE id = '{}'", key(301));
        app.database.client().await.batch_execute(&switch).await.unwrap();
    };
    assert!(import(&app, "log.csv", row("10:00:00Z"), &["--sla=Chats"]).await.0);
    switch(false).await;
    let query = "{ requests { nodes { id } } }";
    let id = app.data("agent", query, json!({})).await["requests"]["nodes"][0]["id"].clone();
    let given = json!({ "requestId": id, "slaId": key(301), "occurredAt": "2026-03-02T09:30:00Z" });
    written(&app, "requestRecord", given).await;
    assert!(import(&app, "log.csv", row("09:00:00Z"), &["--sla=Chats"]).await.0);
    switch(true).await;
    let told = json!({ "requestId": id, "impact": "LOW", "occurredAt": "2026-03-02T10:05:00Z" });
    written(&app, "requestRecord", told).await;
    let found = requests(&app).await;
    let clocks = found[0]["affectedSlas"]["nodes"].as_array().unwrap();
    assert!(clocks.iter().all(|clock| clock["sla"]["name"] == "Chats"), "{}", found[0]);
    let query = "{ requests { nodes { events { nodes { sla { name } slaInactive } } } } }";
    let events =
        app.data("agent", query, json!({})).await["requests"]["nodes"][0]["events"]["nodes"].to_string();
    assert!(events.contains(r#"{"sla":{"name":"Patient"},"slaInactive":true}"#), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_x14_an_sla_that_a_chat_is_given_when_it_was_taken_counts_it_nowhere_in_whatever_parts_that_comes()
 {
    let app = desk().await;
    let rows = ["10:00:00Z,ASSIGNED,Chats", "10:01:00Z,IN_PROGRESS,", "10:08:00Z,,Patient"];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (number, order) in orders.into_iter().enumerate() {
        for row in order {
            let (at, rest) = rows[row].split_once(',').unwrap();
            let (status, sla) = rest.split_once(',').unwrap();
            let file = format!(
                "sourceId,occurredAt,status,channel,sla\n{number},2026-03-02T{at},{status},CHAT,{sla}\n"
            );
            let (well, said, why) = import(&app, "log.csv", &file, &[]).await;
            assert!(well, "{said}{why}");
        }
    }
    let query =
        "{ slas { nodes { name attainment(from: \"2026-03-01T00:00:00Z\", to: \"2026-03-08T00:00:00Z\") {
        total { response { met breached running excluded } } }
        affectedSlas(filter: { supersededAt: { isNull: false } }) { totalCount } } } }";
    let found = app.data("agent", query, json!({})).await;
    let counts = |name: &str| {
        let slas = found["slas"]["nodes"].as_array().unwrap();
        let sla = slas.iter().find(|sla| sla["name"] == name).unwrap();
        (sla["attainment"]["total"]["response"].clone(), sla["affectedSlas"]["totalCount"].clone())
    };
    let of = |met: u32| (json!({ "met": met, "breached": 0, "running": 0, "excluded": 0 }), json!(0));
    assert_eq!((counts("Chats"), counts("Patient")), (of(6), of(0)), "{}", json!(requests(&app).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_separated_by_commas_semicolons_or_tabs_and_a_canceled_incident_runs_no_more() {
    let app = world().await;
    for (separator, source) in [(",", "comma"), (";", "semicolon"), ("\t", "tab")] {
        let log = format!("\u{feff}{LOG}INC2,Canceled,?,3/3/2026 10:00,3/3/2026 11:00,2,3 - Low,?\n")
            .replace(',', separator);
        let flags = ["--mapping=servicenow", "--source", source, "--sla=Mail server"];
        let (_, said, why) = import(&app, "log.csv", log, &flags).await;
        let all = "10 rows read: 2 requests registered, 6 events recorded, 0 people and teams made.\n";
        assert_eq!(said, all, "{why}");
    }
    for request in requests(&app).await {
        assert_eq!(clock(&request, "Mail server")["nextTarget"], "NONE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_that_is_not_closed_is_told_and_what_comes_before_it_is_taken_in() {
    let app = world().await;
    let table = "sourceId,occurredAt,subject\nA1,2026-03-02T10:00:00Z,\"two\nlines\"\nA2,2026-03-02T10:00:00Z,5\" pipe\n";
    let (well, said, why) = import(&app, "log.csv", table, &["--source=whole"]).await;
    assert!(well && said.starts_with("2 rows read: 2 requests registered"), "{said}{why}");
    let open =
        "A3,2026-03-02T10:00:00Z,\"no end\nA4,2026-03-02T10:00:00Z,lost\nA5,2026-03-02T10:00:00Z,lost\n";
    let table = format!("sourceId,occurredAt,subject\nA1,2026-03-02T10:00:00Z,one\n{open}");
    let (well, said, why) = import(&app, "log.csv", table, &["--source=torn"]).await;
    assert!(said.starts_with("2 rows read: 1 requests registered"), "{said}{why}");
    assert!(
        !well
            && why.contains("line 3: a quote that is opened here is not closed in the 3 lines that are left"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused_with_what_to_do_and_nothing_is_taken_in() {
    let app = world().await;
    for (content, flags, about) in [
        (LOG, &["--tenant=nowhere"][..], "there is no tenant \"nowhere\""),
        (LOG, &[], "there is no column \"sourceId\" for sourceId: name it with --map sourceId=COLUMN"),
        (LOG, &["--mapping=servicenow", "--map=team=group"], "there is no column \"group\" for team"),
        (LOG, &["--mapping=servicenow", "--map=tea=group"], "there is no field \"tea\""),
        (LOG, &["--mapping=servicenow", "--sla=None such"], "there is no SLA \"None such\""),
        (LOG, &["--mapping=/nowhere.json"], "cannot read the mapping /nowhere.json"),
        (LOG, &["--source="], "1 to 30 characters"),
        ("\u{1f}\u{8b}", &["--format=ndjson"], "this is no JSON"),
        (
            &LOG.replace("impact", "priority"),
            &["--mapping=servicenow"],
            "there is no column \"impact\" for impact",
        ),
    ] {
        let (well, said, why) = import(&app, "log.csv", content, flags).await;
        assert!(!well && why.contains(about), "{flags:?}: {said}{why}");
    }
    for (content, about) in [
        (&b"\xff\xfes\0o\0"[..], "the file is UTF-16: pass it on with iconv"),
        (b"num\xe9ro,occurredAt\n", "not UTF-8"),
    ] {
        let (well, said, why) = import(&app, "log.csv", content, &[]).await;
        assert!(!well && why.contains(about), "{said}{why}");
    }
    let flags = ["--mapping=servicenow", "--create-missing", "--time-zone=Europe/Berlin", "--dry-run"];
    let (_, said, why) = import(&app, "log.csv", LOG, &flags).await;
    let understood = "9 rows read: 2 requests, 7 events, \
        which happened from 2026-03-02 09:01:00 UTC to 2026-03-03 10:00:00 UTC. Nothing was written.\n";
    assert_eq!(said, understood, "{why}");
    assert!(why.contains("2 of 9 rows were skipped"), "{why}");
    assert_eq!(number(&app, "SELECT count(*) FROM team WHERE name = 'Nobody we know'").await, 0);
    assert_eq!(number(&app, "SELECT count(*) FROM request").await, 0);
    let (well, _, why) =
        import(&app, "log.csv", "sourceId,occurredAt\nA,2999-01-01T00:00:00Z\nB,soon\nC,\n", &[]).await;
    assert!(!well, "{why}");
    for about in [
        "line 2: occurredAt lies in the future",
        "line 3: occurredAt: \"soon\" is no instant",
        "line 4: occurredAt is missing",
    ] {
        assert!(why.contains(about), "{why}");
    }
    // A number that no client could read.
    let (_, _, why) =
        import(&app, "log.csv", "sourceId,occurredAt,sequence\nA,2026-03-02T10:00:00Z,1760000000000\n", &[])
            .await;
    assert!(why.contains("is no whole number from 0 to 2147483647"), "{why}");
    // What others write for "none".
    let table = "sourceId,occurredAt,downtimeEndAt,desiredCompletionAt\n\
        A,2026-03-02T10:00:00Z,9999-12-31T00:00:00Z,\n\
        B,2026-03-02T10:00:00Z,,9999-12-31T23:59:59\n\
        C,2026-03-02T10:00:00Z,,\n";
    let (well, said, why) = import(&app, "log.csv", table, &["--time-zone=America/New_York"]).await;
    assert!(!well && said.starts_with("3 rows read: 1 requests registered"), "{said}{why}");
    for about in [
        "line 2: downtimeEndAt is more than a century away",
        "line 3: desiredCompletionAt is of no year from 1 to 9999",
    ] {
        assert!(why.contains(about), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_calls_things_is_kept_and_found_as_names_are() {
    let app = world().await;
    let file = "sourceId,occurredAt,team,requester,subject\n\
        A,2026-03-02T10:00:00Z,Cafe\u{301}\u{a0},agent,\"two\nlines\t\"\n\
        B,2026-03-02T10:00:00Z,Caf\u{e9},agent,e\u{301}\n\
        C,2026-03-02T10:00:00Z,a\u{7}b,agent,x\n";
    let (well, said, why) = import(&app, "log.csv", file, &["--create-missing"]).await;
    assert_eq!(said, "3 rows read: 2 requests registered, 2 events recorded, 1 people and teams made.\n");
    assert!(!well && why.contains("line 5: team holds a control character"), "{why}");
    let found = requests(&app).await;
    assert_eq!(found[0]["team"], found[1]["team"]);
    assert_eq!(found[0]["team"]["name"], "Caf\u{e9}");
    assert_eq!((&found[0]["subject"], &found[1]["subject"]), (&json!("two lines"), &json!("\u{e9}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn c13_x14_a_call_whose_sla_or_channel_is_told_only_later_is_measured_as_if_it_had_been_told_at_once() {
    let app = world().await;
    let log = |told: [&str; 3]| {
        let row = |(id, told)| format!("{id},{told},2026-03-02T10:00:00Z,agent,Mail server,HIGH\n");
        let rows: String = ["A", "B", "C"].into_iter().zip(told).map(row).collect();
        format!("sourceId,channel,sla,occurredAt,requester,serviceInstance,impact\n{rows}")
    };
    import(&app, "calls.csv", log(["CALL,", ",", ","]), &[]).await;
    // Two of the chats' default, and six of each ticket.
    recorded(&app, 14).await;
    let (_, said, why) = import(&app, "calls.csv", log(["CALL,Calls", "CALL,Calls", "CALL,"]), &[]).await;
    assert!(said.contains("0 requests registered, 0 events"), "{said}{why}");
    assert_eq!(recorded(&app, 14 + 14 + 6).await.len(), 34);
    let standing =
        "SELECT count(*) FROM breach b WHERE b.phase <> 'retracted' AND b.kind <> 'queue_threshold'
        AND NOT EXISTS (SELECT FROM breach r WHERE r.root_id = b.root_id AND r.retracts_id = b.id)";
    for (request, own) in requests(&app).await.iter().zip(["Calls", "Calls", "Chats"]) {
        for clock in request["affectedSlas"]["nodes"].as_array().unwrap() {
            let runs = clock["sla"]["name"] == own;
            let next = if runs { "RESPONSE" } else { "NONE" };
            assert_eq!(
                (&clock["nextTarget"], !clock["responseTargetAt"].is_null()),
                (&json!(next), runs),
                "{request}"
            );
        }
    }
    let due = "SELECT count(*) FROM deadline d JOIN affected_sla a ON a.root_id = d.root_id AND a.id = d.affected_sla_id WHERE NOT a.applies";
    assert_eq!((number(&app, due).await, number(&app, standing).await), (0, 2), "the chat's own two");
    // Nor is a wait counted of an SLA that turned out never to apply.
    let query = "query ($id: ID!) { tenant(id: $id) { attainment(from: \"2026-03-01T00:00:00Z\", to: \"2026-04-01T00:00:00Z\") { total {
        queue { entered ignoredAbandons } livechat { entered ignoredAbandons } } } } }";
    let data = app.data("agent", query, json!({ "id": key(1) })).await;
    let level = |entered: i32| json!({ "entered": entered, "ignoredAbandons": 0 });
    assert_eq!(data["tenant"]["attainment"]["total"], json!({ "queue": level(2), "livechat": level(1) }));
    let query =
        "query ($id: ID!) { simulateSlaTerms(slaId: $id, terms: { livechat: { dueTimeInMinutes: 9 } },
        from: \"2026-03-01T00:00:00Z\", to: \"2026-04-01T00:00:00Z\") { replayed } }";
    let data = app.data("agent", query, json!({ "id": key(83) })).await;
    assert_eq!(data["simulateSlaTerms"]["replayed"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_name_their_zone_in_plain_letters_are_not_taken_for_local_ones() {
    let app = world().await;
    let zone = "UPDATE tenant SET time_zone = 'America/New_York'";
    app.database.client().await.batch_execute(zone).await.unwrap();
    let read = async |at: &str, flags: &[&str]| {
        let mut all = vec!["--dry-run"];
        all.extend(flags);
        import(&app, "log.csv", format!("sourceId,occurredAt\nA,{at}\n"), &all).await
    };
    for (at, flags, instant) in [
        ("20260302T100000Z", &["--time-format=%Y%m%dT%H%M%SZ"][..], "10:00:00"),
        ("02/03/2026 10:00 UTC", &["--time-format=%d/%m/%Y %H:%M UTC"], "10:00:00"),
        ("02/03/2026 10:00", &["--time-format=%d/%m/%Y %H:%M"], "15:00:00"),
        // In the letters of another language.
        (
            "02/03/2026 10:00 MEZ",
            &["--time-format=%d/%m/%Y %H:%M MEZ", "--time-zone=Europe/Berlin"],
            "09:00:00",
        ),
        (
            "02/03/2026 10:00 CET",
            &["--time-format=%d/%m/%Y %H:%M %Z", "--time-zone=Europe/Berlin"],
            "09:00:00",
        ),
        ("2026-03-02 10:00:00 +0100 CET", &["--time-format=%Y-%m-%d %H:%M:%S %z %Z"], "09:00:00"),
    ] {
        let (_, said, why) = read(at, flags).await;
        assert!(said.contains(&format!("from 2026-03-02 {instant} UTC")), "{at}: {said}{why}");
    }
    let (well, _, why) = read("02/03/2026 10:00 UTC", &["--time-format=%d/%m/%Y %H:%M %Z"]).await;
    assert!(!well && why.contains("%Z does not tell which one is meant"), "{why}");
}
