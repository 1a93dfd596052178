//! What must hold between objects, whoever writes them and however many do.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::writes::{MANAGER, World, codes, delete, mutate};

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_without_hours_is_refused_where_it_would_be_used_x11() {
    let mut world = World::new().await;
    world.make_all().await;
    let input = json!({ "tenantId": world.tenant, "name": "Never", "hours": [] });
    let never = world.mutate("calendarCreate", input, "id").await;
    assert_eq!(never["errors"], json!([]));
    let change = json!({ "id": world.id("serviceOffering"), "serviceHoursId": never["object"]["id"] });
    let payload = world.mutate("serviceOfferingUpdate", change, "id").await;
    assert_eq!(codes(&payload), ["NOT_FOUND input.serviceHoursId"]);
    let change = json!({ "id": world.id("standardServiceRequest"), "supportHoursId": never["object"]["id"] });
    let payload = world.mutate("standardServiceRequestUpdate", change, "id").await;
    assert_eq!(codes(&payload), ["NOT_FOUND input.supportHoursId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_instance_uses_itself_however_far_below_and_however_many_write_o4() {
    let mut world = World::new().await;
    world.make_all().await;
    let mut instances = vec![world.id("serviceInstance").to_owned()];
    for number in 1..4 {
        let uses = json!([{ "serviceInstanceId": instances[number - 1], "effect": "DEGRADED" }]);
        let input = json!({
            "tenantId": world.tenant, "name": format!("{number}"), "serviceId": world.id("service"), "uses": uses,
        });
        let made = world.mutate("serviceInstanceCreate", input, "id").await;
        assert_eq!(made["errors"], json!([]));
        instances.push(made["object"]["id"].as_str().unwrap().to_owned());
    }
    let using = |consumer: &str, used: &str| {
        let change = json!({ "id": consumer, "uses": [{ "serviceInstanceId": used, "effect": "DOWN" }] });
        let world = &world;
        async move { world.mutate("serviceInstanceUpdate", change, "id").await }
    };
    assert_eq!(codes(&using(&instances[0], &instances[3]).await), ["INVALID input.uses"]);
    assert_eq!(codes(&using(&instances[0], &instances[0]).await), ["INVALID input.uses"]);
    // Two changes, each right alone, that would close a circle together.
    let change = |id: &str| json!({ "id": id, "uses": [] });
    for id in &instances {
        world.mutate("serviceInstanceUpdate", change(id), "id").await;
    }
    let both = join_all([using(&instances[0], &instances[1]), using(&instances[1], &instances[0])]).await;
    let refused = both.iter().filter(|payload| codes(payload) == ["INVALID input.uses"]).count();
    assert_eq!(refused, 1, "{both:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_organization_is_a_part_of_itself() {
    let mut world = World::new().await;
    world.make_all().await;
    let top = world.id("organization").to_owned();
    let input = json!({ "tenantId": world.tenant, "name": "Below", "parentId": top });
    let below = world.mutate("organizationCreate", input, "id").await;
    let change = json!({ "id": top, "parentId": below["object"]["id"] });
    let payload = world.mutate("organizationUpdate", change, "id").await;
    assert_eq!(codes(&payload), ["INVALID input.parentId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_and_an_offering_of_one_sla_stay_of_one_service_s7() {
    let mut world = World::new().await;
    world.make_all().await;
    let input = json!({ "tenantId": world.tenant, "name": "Chat", "providerId": world.id("organization") });
    let other = world.mutate("serviceCreate", input, "id").await;
    for noun in ["serviceInstance", "serviceOffering"] {
        let change = json!({ "id": world.id(noun), "serviceId": other["object"]["id"] });
        let payload = world.mutate(&format!("{noun}Update"), change, "id").await;
        assert_eq!(codes(&payload), ["IN_USE input.serviceId"], "{noun}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_tenant_has_its_place_at_once() {
    let world = World::new().await;
    let create = |parent: Value, slug: &str| {
        let input = json!({ "parentId": parent, "slug": slug, "name": "New", "timeZone": "Europe/Oslo" });
        let world = &world;
        async move {
            world.mutate("tenantCreate", input, "id slug parent { slug } timeZone defaultSla { id }").await
        }
    };
    let made = create(json!(world.tenant), "wna-new").await;
    assert_eq!(made["errors"], json!([]), "{made}");
    assert_eq!(made["object"]["parent"]["slug"], "wna");
    let id = made["object"]["id"].clone();
    let site =
        mutate(&world.app, "siteCreate", json!({ "tenantId": id, "name": "There" }), "name tenant { slug }")
            .await;
    assert_eq!(site["object"], json!({ "name": "There", "tenant": { "slug": "wna-new" } }), "{site}");
    assert_eq!(codes(&create(json!(world.tenant), "wna-new").await), ["DUPLICATE input.slug"]);
    assert_eq!(codes(&create(json!(world.tenant), "Wna New").await), ["INVALID input.slug"]);
    let children =
        world.app.data(MANAGER, "{ tenant(slug: \"wna\") { children { nodes { slug } } } }", json!({})).await;
    assert!(children.to_string().contains("wna-new"), "{children}");
    let payload = delete(&world.app, "tenant", id.as_str().unwrap()).await;
    assert_eq!(codes(&payload), ["IN_USE input.id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_over_the_rights_of_another_by_changing_how_that_one_signs_in() {
    let world = World::new().await;
    // One who manages people, and may do nothing else.
    let clerk = "WITH t AS (SELECT root_id, id FROM tenant WHERE slug = 'wna'),
        p AS (INSERT INTO person (root_id, id, tenant_id, first_name, last_name, login)
          SELECT root_id, uuid_v7(), id, 'Nosy', 'Clerk', 'clerk@example.com' FROM t RETURNING id),
        r AS (INSERT INTO role (root_id, id, tenant_id, name, permissions)
          SELECT root_id, uuid_v7(), id, 'clerk', '{tenants:admin}' FROM t RETURNING id)
        INSERT INTO role_grant (root_id, id, tenant_id, role_id, person_id)
          SELECT t.root_id, uuid_v7(), t.id, r.id, p.id FROM t, r, p";
    world.app.database.client().await.batch_execute(clerk).await.unwrap();
    let people = "{ people(filter: { email: { eq: \"manager@wna.example.com\" } }) { nodes { id } } }";
    let manager = world.app.data(MANAGER, people, json!({})).await["people"]["nodes"][0]["id"].clone();
    let query = "mutation($input: PersonUpdateInput!) { payload: personUpdate(input: $input) {
        person { id } errors { code path message } } }";
    let change = json!({ "input": { "id": manager, "login": "mine@example.com" } });
    let payload = world.app.data("clerk@example.com", query, change).await;
    assert_eq!(codes(&payload["payload"]), ["FORBIDDEN input.login"], "{payload}");
    let change = json!({ "input": { "id": manager, "lastName": "Renamed" } });
    let payload = world.app.data("clerk@example.com", query, change).await;
    assert_eq!(payload["payload"]["errors"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_of_another_tree_is_not_claimed_and_a_person_with_roles_is_not_deleted() {
    let world = World::new().await;
    let claim = |login: &str| {
        let input = json!({ "tenantId": world.tenant, "firstName": "A", "lastName": "Twin", "login": login });
        let world = &world;
        async move { world.mutate("personCreate", input, "id").await }
    };
    assert_eq!(codes(&claim("manager@itrp.example.com").await), ["INVALID input.login"]);
    assert_eq!(codes(&claim("Manager@ITRP.example.com").await), ["INVALID input.login"]);
    assert_eq!(codes(&claim("nobody@elsewhere.example.com").await), [""; 0]);
    let people = "{ people(filter: { email: { eq: \"reader@wna.example.com\" } }) { nodes { id } } }";
    let reader = world.app.data(MANAGER, people, json!({})).await["people"]["nodes"][0]["id"].clone();
    let payload = delete(&world.app, "person", reader.as_str().unwrap()).await;
    assert_eq!(codes(&payload), ["IN_USE input.id"], "{payload}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_without_entries_has_used_up_nothing_and_one_that_was_reached_can_be_deleted_l2() {
    let mut world = World::new().await;
    world.make_all().await;
    let consumption = "id consumption { hours share reached } breaches { totalCount }";
    let input = json!({
        "tenantId": world.tenant, "projectId": world.id("project"), "timeLimitInHours": 1, "timePeriod": "WEEKLY",
        "contactType": "EMAIL", "contact": "pech@simplo.cz", "categories": ["A"],
    });
    let empty = world.mutate("slaLimitCreate", input.clone(), consumption).await;
    let used = &empty["object"];
    assert_eq!(used["consumption"], json!({ "hours": 0.0, "share": 0.0, "reached": false }), "{empty}");
    assert_eq!(used["breaches"]["totalCount"], 0);
    let entry = "INSERT INTO time_entry (root_id, id, tenant_id, project_id, category, started_at, ended_at)
        SELECT root_id, uuid_v7(), tenant_id, id, 'A', now() - interval '1 hour', now() + interval '1 hour'
        FROM project WHERE name = 'Move'";
    world.app.database.client().await.batch_execute(entry).await.unwrap();
    let change = json!({ "id": used["id"], "contact": "bzatek@simplo.cz" });
    let reached = world.mutate("slaLimitUpdate", change, consumption).await;
    assert_eq!(reached["object"]["consumption"]["reached"], true, "{reached}");
    assert_eq!(reached["object"]["breaches"]["totalCount"], 2, "{reached}");
    let gone = delete(&world.app, "slaLimit", used["id"].as_str().unwrap()).await;
    assert_eq!(gone["errors"], json!([]), "{gone}");
    // Rule L1: of the tenant itself, and not of one above it.
    let children = world.app.data(
        MANAGER,
        "{ tenant(slug: \"wna\") { children(first: 1) { nodes { id } } } }",
        json!({}),
    );
    let child = children.await["tenant"]["children"]["nodes"][0]["id"].clone();
    let mut below = input;
    below["tenantId"] = child;
    let payload = world.mutate("slaLimitCreate", below, "id").await;
    assert_eq!(codes(&payload), ["NOT_FOUND input.projectId"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_sla_of_a_tenant_is_one_it_may_use_c13() {
    let mut world = World::new().await;
    world.make_all().await;
    let change = json!({ "id": world.tenant, "defaultSlaId": world.id("sla") });
    let payload = world.mutate("tenantUpdate", change, "id").await;
    assert_eq!(codes(&payload), ["NOT_FOUND input.defaultSlaId"], "a promise over a service");
    let queue = |shared: bool| {
        let terms = json!({ "queue": { "slaThreshold": 20, "abandonType": "COUNT_AGAINST_SLA" } });
        let version = json!({ "versionName": "1", "terms": terms });
        let input =
            json!({ "tenantId": world.tenant, "name": "Calls", "shared": shared, "version": version });
        let world = &world;
        async move { world.mutate("slaCreate", input, "id").await["object"]["id"].clone() }
    };
    let (own, shared) = (queue(false).await, queue(true).await);
    let children = world.app.data(
        MANAGER,
        "{ tenant(slug: \"wna\") { children(first: 1) { nodes { id } } } }",
        json!({}),
    );
    let child = children.await["tenant"]["children"]["nodes"][0]["id"].clone();
    let payload = world.mutate("tenantUpdate", json!({ "id": child, "defaultSlaId": own }), "id").await;
    assert_eq!(
        codes(&payload),
        ["NOT_FOUND input.defaultSlaId"],
        "one of the tenant above that is not shared"
    );
    let payload = world.mutate("tenantUpdate", json!({ "id": child, "defaultSlaId": shared }), "id").await;
    assert_eq!(payload["errors"], json!([]));
    let made = |slug: &str, default: &Value| {
        json!({
        "parentId": world.tenant, "slug": slug, "name": slug, "timeZone": "UTC", "defaultSlaId": default })
    };
    let payload = world.mutate("tenantCreate", made("with-own", &own), "id").await;
    assert_eq!(codes(&payload), ["NOT_FOUND input.defaultSlaId"], "nor of a tenant that is made");
    let payload = world.mutate("tenantCreate", made("with-shared", &shared), "id").await;
    assert_eq!(payload["errors"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_written_as_a_whole_may_be_long() {
    let world = World::new().await;
    let people = "INSERT INTO person (root_id, id, tenant_id, first_name, last_name)
        SELECT root_id, uuid_v7(), id, 'Member', n::text FROM tenant, generate_series(1, 201) n WHERE slug = 'wna' RETURNING id::text";
    let made = world.app.database.client().await.query(people, &[]).await.unwrap();
    let members: Vec<String> = made.iter().map(|row| row.get(0)).collect();
    let input = json!({ "tenantId": world.tenant, "name": "All", "memberIds": members });
    let team = world.mutate("teamCreate", input, "members { totalCount }").await;
    assert_eq!(team["object"]["members"]["totalCount"], 201, "{team}");
}
