//! Mistakes of inputs: all at once, each at its field.

use serde_json::{Value, json};
use sla_gateway::store::root::{self, Root};

use crate::writes::{OPERATOR, World, codes};

#[tokio::test(flavor = "multi_thread")]
async fn a_time_zone_that_the_store_does_not_know_is_refused_for_a_tenant() {
    let world = World::new().await;
    let mut client = world.app.database.client().await;
    // As a Postgres that was built without the old names of zones.
    client
        .batch_execute(
            "ALTER FUNCTION pg_catalog.timezone(text, timestamptz) RENAME TO timezone_of_all;
             CREATE FUNCTION pg_catalog.timezone(text, timestamptz) RETURNS timestamp LANGUAGE plpgsql STABLE AS $$
             BEGIN
               IF $1 = 'Asia/Calcutta' THEN
                 RAISE 'time zone \"%\" not recognized', $1 USING ERRCODE = 'invalid_parameter_value';
               END IF;
               RETURN pg_catalog.timezone_of_all($1, $2);
             END $$",
        )
        .await
        .unwrap();
    let parent = &world.tenant;
    let input =
        |zone: &str| json!({ "parentId": parent, "slug": "mumbai", "name": "Mumbai", "timeZone": zone });
    let refused = world.mutate("tenantCreate", input("Asia/Calcutta"), "id").await;
    assert_eq!(codes(&refused), ["INVALID input.timeZone"], "{refused}");
    let made = world.mutate("tenantCreate", input("Asia/Kolkata"), "id").await;
    assert_eq!(made["errors"], json!([]), "{made}");
    let change = json!({ "id": made["object"]["id"], "timeZone": "Asia/Calcutta" });
    let refused = world.mutate("tenantUpdate", change, "id").await;
    assert_eq!(codes(&refused), ["INVALID input.timeZone"], "{refused}");
    let root = Root {
        slug: "mumbai",
        name: "Mumbai",
        time_zone: chrono_tz::Asia::Calcutta,
        administrator: "a@mumbai.example",
    };
    let refused = root::begin(&mut client, &root).await.unwrap_err().to_string();
    assert!(refused.starts_with("--time-zone: The store does not know"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mistakes_of_an_input_are_told_at_once_at_their_fields() {
    let mut world = World::new().await;
    world.make_all().await;
    let foreign = world
        .app
        .data(
            OPERATOR,
            "{ tenant(slug: \"itrp\") { organizations(first: 1) { nodes { id } } \
         calendars(first: 1) { nodes { id } } } }",
            json!({}),
        )
        .await;
    let foreign_organization = foreign["tenant"]["organizations"]["nodes"][0]["id"].clone();
    let nobodys = "0198f000-0000-7000-8000-000000000000";
    let cases = [
        (
            "organizationCreate",
            json!({ "name": " ", "parentId": foreign_organization, "source": "x".repeat(31) }),
            vec!["NOT_FOUND input.parentId", "REQUIRED input.name", "TOO_LONG input.source"],
        ),
        ("siteCreate", json!({ "name": "x".repeat(161) }), vec!["TOO_LONG input.name"]),
        (
            "personCreate",
            json!({ "firstName": "", "lastName": "", "email": "nobody", "siteId": "no id" }),
            vec!["INVALID input.email", "INVALID input.siteId"],
        ),
        ("personCreate", json!({ "firstName": "", "lastName": " " }), vec!["REQUIRED input.lastName"]),
        (
            "teamCreate",
            json!({ "name": "T", "memberIds": [nobodys, world.id("site")] }),
            vec!["INVALID input.memberIds.1", "NOT_FOUND input.memberIds.0"],
        ),
        (
            "calendarCreate",
            json!({
                "name": "C",
                "hours": [
                    { "weekday": "MONDAY", "from": "09:00", "until": "17:00" },
                    { "weekday": "MONDAY", "from": "16:59", "until": "18:00" },
                    { "weekday": "TUESDAY", "from": "12:00", "until": "12:00" },
                ],
                "holidays": [{ "name": "", "startsAt": "2026-01-02T00:00", "endsAt": "2026-01-01T00:00" }],
            }),
            vec![
                "INVALID input.holidays.0.endsAt",
                "INVALID input.hours.1",
                "INVALID input.hours.2.until",
                "REQUIRED input.holidays.0.name",
            ],
        ),
        (
            "serviceOfferingCreate",
            json!({
                "name": "O", "serviceId": world.id("service"), "timeZone": "UTC",
                "targets": [
                    {
                        "impact": "TOP", "response": { "kind": "MINUTES" },
                        "resolution": { "kind": "NONE", "businessDays": 1 },
                    },
                    { "impact": "TOP", "response": { "kind": "NONE" }, "resolution": { "kind": "NONE" } },
                    {
                        "impact": "LOW", "response": { "kind": "MINUTES", "minutes": -1 },
                        "resolution": { "kind": "BEST_EFFORT" }, "supportHoursId": nobodys,
                    },
                    {
                        "impact": "HIGH", "response": { "kind": "NONE" },
                        "resolution": { "kind": "BUSINESS_DAYS", "businessDays": 1 },
                    },
                ],
            }),
            vec![
                "DUPLICATE input.targets.1.impact",
                "INVALID input.targets.0.resolution.businessDays",
                "INVALID input.targets.2.response.minutes",
                "NOT_FOUND input.targets.2.supportHoursId",
                "REQUIRED input.targets.0.response.minutes",
                "REQUIRED input.targets.3.supportHoursId",
            ],
        ),
        (
            "slaLimitCreate",
            json!({
                "projectId": nobodys, "timeLimitInHours": 0, "timePeriod": "WEEKLY", "contactType": "EMAIL",
                "contact": "pech simplo.cz", "categories": ["A", "A", " "],
            }),
            vec![
                "DUPLICATE input.categories.1",
                "INVALID input.contact",
                "INVALID input.timeLimitInHours",
                "NOT_FOUND input.projectId",
                "REQUIRED input.categories.2",
            ],
        ),
        (
            "slaLimitCreate",
            json!({
                "projectId": world.id("project"), "timeLimitInHours": 1, "timePeriod": "WEEKLY",
                "contactType": "EMAIL", "contact": "pech@simplo.cz", "categories": [],
            }),
            vec!["REQUIRED input.categories"],
        ),
        (
            "slaCreate",
            json!({
                "name": "", "customerId": "no id", "startDate": "2026-02-01", "expiryDate": "2026-01-01",
                "version": { "versionName": "", "terms": { "service": {
                    "serviceOfferingId": nobodys, "coverage": "PEOPLE", "siteIds": ["no id"],
                } } },
            }),
            vec![
                "INVALID input.customerId",
                "INVALID input.expiryDate",
                "INVALID input.version.terms.service.siteIds",
                "INVALID input.version.terms.service.siteIds.0",
                "NOT_FOUND input.version.terms.service.serviceOfferingId",
                "REQUIRED input.name",
                "REQUIRED input.version.terms.service.personIds",
                "REQUIRED input.version.versionName",
            ],
        ),
        // A list of ids that cannot be read is not a list that is missing.
        (
            "slaCreate",
            json!({
                "name": "Sites", "customerId": world.id("organization"), "version": { "versionName": "1",
                    "terms": { "service": { "serviceOfferingId": world.id("serviceOffering"), "coverage": "SITES",
                        "siteIds": ["no id", world.id("person")] } } },
            }),
            vec![
                "INVALID input.version.terms.service.siteIds.0",
                "INVALID input.version.terms.service.siteIds.1",
            ],
        ),
    ];
    for (mutation, mut input, expected) in cases {
        input["tenantId"] = json!(world.tenant);
        let payload = world.mutate(mutation, input, "id").await;
        assert_eq!(codes(&payload), expected, "{mutation}: {payload}");
        assert_eq!(payload["object"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_list_of_an_sla_has_the_place_it_has_in_the_input() {
    let mut world = World::new().await;
    world.make_all().await;
    let mut input = world.nouns().pop().unwrap().input;
    let (good, no_organization) = (world.id("organization"), world.id("site").to_owned());
    let unknown = "ffffffff-5717-4562-b3fc-000000000000";
    input["sourceId"] = json!("another");
    input["version"]["terms"]["service"]["organizationIds"] =
        json!([unknown, good, "no id", good, no_organization, "00000000-5717-4562-b3fc-000000000000"]);
    let mut expected = [("NOT_FOUND", 0), ("INVALID", 2), ("INVALID", 4), ("NOT_FOUND", 5)]
        .map(|(code, place)| format!("{code} input.version.terms.service.organizationIds.{place}"));
    expected.sort();
    assert_eq!(codes(&world.mutate("slaCreate", input, "id").await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_that_cannot_be_kept_are_mistakes() {
    let world = World::new().await;
    for (mark, code) in
        [("a\0b".to_owned(), "INVALID"), ("x".repeat(256), "TOO_LONG"), (" ".into(), "REQUIRED")]
    {
        let input = json!({ "tenantId": world.tenant, "name": "Oslo", "clientMutationId": mark });
        let payload = world.mutate("siteCreate", input, "id").await;
        assert_eq!(codes(&payload), [format!("{code} input.clientMutationId")], "{payload}");
    }
}
