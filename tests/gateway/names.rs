//! What things are called: without white space around it, in Unicode's normal form C, on one line.

use serde_json::{Value, json};

use crate::app::App;

const MANAGER: &str = "manager@wna.example.com";
const CHAT: &str = "manager@rocketchat.example.com";

/// The tenant that somebody's login names.
async fn tenant(app: &App, login: &str) -> Value {
    let query = "query ($slug: String!) { tenant(slug: $slug) { id } }";
    let slug = login.split(['@', '.']).nth(1);
    app.data(login, query, json!({ "slug": slug })).await["tenant"]["id"].take()
}

/// The payload of a mutation whose object has a name.
async fn mutate(app: &App, login: &str, mutation: &str, selection: &str, input: Value) -> Value {
    let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let query = format!(
        "mutation($input: {kind}!) {{ payload: {mutation}(input: $input) {{ {selection} errors {{ code path message }} }} }}"
    );
    app.data(login, &query, json!({ "input": input })).await["payload"].take()
}

fn codes(payload: &Value) -> Vec<String> {
    let errors = payload["errors"].as_array().unwrap().iter();
    let path = |error: &Value| {
        error["path"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    errors.map(|error| format!("{} {}", error["code"].as_str().unwrap(), path(error).join("."))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_kept_without_white_space_around_them_and_composed() {
    let app = App::sampled().await;
    let tenant = tenant(&app, MANAGER).await;
    let (written, kept) = (" \u{a0}Cafe\u{301}\t\n", "Caf\u{e9}");
    for (mutation, field) in [
        ("siteCreate", "site"),
        ("teamCreate", "team"),
        ("organizationCreate", "organization"),
        ("projectCreate", "project"),
    ] {
        let input = json!({ "tenantId": tenant, "name": written });
        let payload = mutate(&app, MANAGER, mutation, &format!("{field} {{ name }}"), input).await;
        assert_eq!(payload[field]["name"], kept, "{mutation}: {payload}");
    }
    let hours = json!([]);
    let holiday = json!({ "name": written, "startsAt": "2026-01-01T00:00", "endsAt": "2026-01-02T00:00" });
    let input = json!({ "tenantId": tenant, "name": written, "hours": hours, "holidays": [holiday] });
    let payload = mutate(&app, MANAGER, "calendarCreate", "calendar { name holidays { name } }", input).await;
    assert_eq!(payload["calendar"], json!({ "name": kept, "holidays": [{ "name": kept }] }));
    let input = json!({ "tenantId": tenant, "firstName": written, "lastName": " " });
    let payload = mutate(&app, MANAGER, "personCreate", "person { firstName lastName }", input).await;
    assert_eq!(payload["person"], json!({ "firstName": kept, "lastName": "" }), "{payload}");
    let terms = json!({ "queue": { "slaThreshold": 1, "abandonType": "COUNT_AGAINST_SLA" } });
    let input =
        json!({ "tenantId": tenant, "name": written, "version": { "versionName": written, "terms": terms } });
    let selection = "sla { id name activeVersion { versionName } }";
    let payload = mutate(&app, MANAGER, "slaCreate", selection, input).await;
    assert_eq!(payload["sla"]["name"], kept, "{payload}");
    assert_eq!(payload["sla"]["activeVersion"]["versionName"], kept);
    let input = json!({ "id": payload["sla"]["id"], "name": " Calls " });
    let payload = mutate(&app, MANAGER, "slaUpdate", "sla { name }", input).await;
    assert_eq!(payload["sla"]["name"], "Calls", "{payload}");
    let input = json!({ "tenantId": tenant, "subject": written });
    let payload = mutate(&app, MANAGER, "requestRegister", "request { subject }", input).await;
    assert_eq!(payload["request"]["subject"], kept, "{payload}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_names_that_look_the_same_are_the_same() {
    let app = App::sampled().await;
    let tenant = tenant(&app, CHAT).await;
    let policy = |name: &str, due: i32| {
        let terms = json!({ "livechat": { "dueTimeInMinutes": due } });
        json!({ "tenantId": tenant, "name": name, "version": { "versionName": "1", "terms": terms } })
    };
    assert_eq!(
        codes(&mutate(&app, CHAT, "slaCreate", "sla { id }", policy("Ne\u{301}e", 901)).await),
        [""; 0]
    );
    // Letters beyond ASCII have cases as well.
    for (number, name) in ["Optimum ", "\toptimum", "N\u{e9}e", "ne\u{301}e ", "n\u{c9}E"].iter().enumerate()
    {
        let payload = mutate(&app, CHAT, "slaCreate", "sla { id }", policy(name, 910 + number as i32)).await;
        assert_eq!(codes(&payload), ["DUPLICATED_SLA input.name"], "{name:?}: {payload}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_keys_have_no_control_characters_and_long_texts_have_lines() {
    let app = App::sampled().await;
    let tenant = tenant(&app, MANAGER).await;
    let terms = json!({ "queue": { "slaThreshold": 1, "abandonType": "COUNT_AGAINST_SLA" } });
    let input = json!({
        "tenantId": tenant, "name": "two\nlines", "description": "two\r\n\tlines", "remarks": "a bell\u{7}",
        "source": "x\u{85}y", "sourceId": "4\t5", "version": { "versionName": "\u{1b}[1m", "terms": terms },
    });
    let payload = mutate(&app, MANAGER, "slaCreate", "sla { id }", input).await;
    let expected = [
        "INVALID input.name",
        "INVALID input.remarks",
        "INVALID input.source",
        "INVALID input.sourceId",
        "INVALID input.version.versionName",
    ];
    assert_eq!(codes(&payload), expected);
    assert_eq!(payload["errors"][0]["message"], "This holds the control character U+000A: leave it out.");
    let input = json!({ "tenantId": tenant, "name": "a\u{0}b" });
    let payload = mutate(&app, MANAGER, "siteCreate", "site { id }", input).await;
    assert_eq!(codes(&payload), ["INVALID input.name"]);
    // A name of as many characters as it may have has them when it is kept.
    let input = json!({ "tenantId": tenant, "name": format!("  {}  ", "e\u{301}".repeat(160)) });
    let payload = mutate(&app, MANAGER, "siteCreate", "site { name }", input).await;
    assert_eq!(payload["site"]["name"], "\u{e9}".repeat(160), "{payload}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_were_kept_before_are_composed_by_a_migration_where_nothing_stands_in_their_way() {
    let app = App::new().await;
    let client = app.database.client().await;
    let world = "
        CREATE FUNCTION pg_temp.k(n integer) RETURNS uuid LANGUAGE sql AS
          $$ SELECT ('b0000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid $$;
        BEGIN;
        INSERT INTO tenant (root_id, id, slug, name, time_zone) VALUES (pg_temp.k(1), pg_temp.k(1), 'a', E'Cafe\\u0301', 'UTC');
        INSERT INTO person (root_id, id, tenant_id, first_name, last_name) VALUES
          (pg_temp.k(1), pg_temp.k(2), pg_temp.k(1), E'Ne\\u0301e', E'Ne\\u0301e');
        INSERT INTO role (root_id, id, tenant_id, name, permissions) VALUES
          (pg_temp.k(1), pg_temp.k(3), pg_temp.k(1), E'Re\\u0301', '{}'), (pg_temp.k(1), pg_temp.k(4), pg_temp.k(1), E'R\\u00e9', '{}'),
          (pg_temp.k(1), pg_temp.k(5), pg_temp.k(1), E'Le\\u0301', '{}');
        INSERT INTO sla (root_id, id, tenant_id, kind, name, status, active_version_id, livechat_due_minutes) VALUES
          (pg_temp.k(1), pg_temp.k(10), pg_temp.k(1), 'livechat', E'Ne\\u0301e', 'active', pg_temp.k(20), 1),
          (pg_temp.k(1), pg_temp.k(11), pg_temp.k(1), 'livechat', E'N\\u00e9E', 'active', pg_temp.k(21), 2),
          (pg_temp.k(1), pg_temp.k(12), pg_temp.k(1), 'livechat', E'De\\u0301', 'active', pg_temp.k(22), 3),
          (pg_temp.k(1), pg_temp.k(13), pg_temp.k(1), 'queue', E'Ne\\u0301e', 'active', pg_temp.k(23), NULL);
        INSERT INTO sla_version (root_id, id, tenant_id, sla_id, number, version_name, kind, sla_threshold, abandon_type,
            due_time_in_minutes)
          SELECT root_id, active_version_id, tenant_id, id, 1, E'e\\u0301', kind, CASE kind WHEN 'queue' THEN 1 END,
            CASE kind WHEN 'queue' THEN 'count-against-sla' END, livechat_due_minutes FROM sla;
        INSERT INTO project (root_id, id, tenant_id, name) VALUES (pg_temp.k(1), pg_temp.k(30), pg_temp.k(1), E'e\\u0301');
        INSERT INTO sla_limit (root_id, id, tenant_id, project_id, time_limit_in_hours, time_period, contact_type, contact, categories)
          VALUES (pg_temp.k(1), pg_temp.k(31), pg_temp.k(1), pg_temp.k(30), 1, 'weekly', 'email', 'a@b.c',
            ARRAY['z', E'e\\u0301', E'\\u00e9', 'a']);
        COMMIT";
    client.batch_execute(world).await.unwrap();
    let migration = include_str!("../../migrations/2026-11-21-000041_composed_names/up.sql");
    let kept = "SELECT string_agg(name, ' ' ORDER BY noun, id) FROM (
        SELECT 1 AS noun, id, name FROM tenant UNION ALL SELECT 2, id, first_name || '/' || last_name FROM person
        UNION ALL SELECT 3, id, name FROM role UNION ALL SELECT 4, id, name FROM sla UNION ALL SELECT 5, id, version_name FROM sla_version
        UNION ALL SELECT 6, id, array_to_string(categories, ',') FROM sla_limit) n";
    // Once more it finds nothing to do.
    for _ in 0..2 {
        client.batch_execute(migration).await.unwrap();
        let names: String = client.query_one(kept, &[]).await.unwrap().get(0);
        let expected = "Caf\u{e9} N\u{e9}e/N\u{e9}e Re\u{301} R\u{e9} L\u{e9} Ne\u{301}e N\u{e9}E D\u{e9} N\u{e9}e \
            e\u{301} e\u{301} e\u{301} e\u{301} z,\u{e9},a";
        assert_eq!(names, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_the_name_that_they_are_shown_by() {
    let app = App::sampled().await;
    let query =
        "query ($name: StringFilter) { people(first: 100, filter: { name: $name }) { nodes { name } } }";
    let people =
        async |name: Value| app.data(MANAGER, query, json!({ "name": name })).await["people"]["nodes"].take();
    let all = people(json!({})).await;
    let person = all.as_array().unwrap().iter().find(|person| person["name"].as_str().unwrap().contains(' '));
    let name = person.unwrap()["name"].as_str().unwrap();
    let (first, last) = name.split_once(' ').unwrap();
    let part = format!("{} {}", first.to_uppercase(), &last[..1]);
    for filter in [json!({ "eq": name }), json!({ "startsWith": part }), json!({ "contains": part })] {
        let found = people(filter.clone()).await;
        assert!(found.as_array().unwrap().contains(person.unwrap()), "{filter}: {found}");
        assert!(found.as_array().unwrap().len() < all.as_array().unwrap().len(), "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_found_however_its_letters_are_composed_and_a_key_as_it_was_given() {
    let app = App::sampled().await;
    let tenant = tenant(&app, MANAGER).await;
    let (apart, composed) = ("Cafe\u{301} crew", "Caf\u{e9} crew");
    let input = json!({ "tenantId": tenant, "name": apart, "source": "hr", "sourceId": apart });
    let made = mutate(&app, MANAGER, "teamCreate", "team { id }", input).await;
    let found = async |filter: Value| {
        let query = "query($filter: TeamFilter) { teams(filter: $filter) { nodes { id } } }";
        let teams = app.data(MANAGER, query, json!({ "filter": filter })).await["teams"]["nodes"].take();
        teams.as_array().unwrap().contains(&made["team"])
    };
    for wild in ["_", "%", "\\"] {
        assert!(!found(json!({ "name": { "contains": wild } })).await, "{wild} is a letter as others are");
    }
    for name in [apart, composed] {
        for (operator, value) in [
            ("eq", json!(name)),
            ("in", json!([name])),
            ("contains", json!(name)),
            ("startsWith", json!(name)),
        ] {
            assert!(found(json!({ "name": { operator: value } })).await, "{operator} {name:?}");
        }
        assert!(!found(json!({ "name": { "notIn": [name] } })).await, "{name:?}");
        assert_eq!(
            found(json!({ "sourceId": { "eq": name } })).await,
            name == apart,
            "keys are kept as they are"
        );
    }
}
