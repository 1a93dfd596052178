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
    for (number, name) in ["Optimum ", "\toptimum", "N\u{e9}e", "ne\u{301}e "].iter().enumerate() {
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
