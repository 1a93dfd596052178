//! Upserts: what a source tells again changes what it told before, and nothing else.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::introspection::Types;
use crate::writes::{World, codes, compare};

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_finds_the_object_of_its_source_and_a_plain_create_is_refused() {
    let mut world = World::new().await;
    world.make_all().await;
    for noun in world.nouns() {
        let mutation = format!("{}Create", noun.name);
        let mut input = noun.input.clone();
        if noun.name == "person" {
            input["login"] = json!("third@example.com");
        }
        let plain = world.mutate(&mutation, input.clone(), "id").await;
        assert_eq!(codes(&plain), ["DUPLICATE input.sourceId"], "{mutation}");
        input["upsert"] = json!(true);
        let again = world.mutate(&mutation, input.clone(), "id revision").await;
        assert_eq!(again["errors"], json!([]), "{mutation}: {again}");
        assert_eq!(again["object"]["id"], world.id(noun.name), "{mutation}");
        input["sourceId"] = json!("new");
        if noun.name == "person" {
            input["login"] = json!("fourth@example.com");
        }
        let tries = join_all((0..4).map(|_| world.mutate(&mutation, input.clone(), "id"))).await;
        assert!(tries.iter().all(|one| one["object"] == tries[0]["object"]), "{mutation}: {tries:?}");
        assert_ne!(tries[0]["object"]["id"], world.id(noun.name), "{mutation}");
        input.as_object_mut().unwrap().remove("sourceId");
        let without = world.mutate(&mutation, input, "id").await;
        assert!(codes(&without).contains(&"REQUIRED input.sourceId".to_owned()), "{mutation}: {without}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_of_an_sla_makes_a_version_only_where_other_terms_are_promised() {
    let mut world = World::new().await;
    world.make_all().await;
    let versions = "id versions { totalCount } activeVersion { number versionName }";
    let mut input = world.nouns().pop().unwrap().input;
    input["upsert"] = json!(true);
    let same = world.mutate("slaCreate", input.clone(), versions).await;
    assert_eq!(same["object"]["versions"]["totalCount"], 1, "{same}");
    // What it is called is not promised.
    let mut renamed = input.clone();
    renamed["version"]["versionName"] = json!("tonight's");
    renamed["version"]["description"] = json!("as last night's");
    let same = world.mutate("slaCreate", renamed, versions).await;
    assert_eq!((&same["errors"], &same["object"]["versions"]["totalCount"]), (&json!([]), &json!(1)));
    assert_eq!(same["object"]["activeVersion"], json!({ "number": 1, "versionName": "1.0" }));
    input["version"]["terms"]["service"]["coverage"] = json!("CUSTOMER_ACCOUNT");
    input["version"]["terms"]["service"].as_object_mut().unwrap().remove("organizationIds");
    input["version"]["versionName"] = json!("2.0");
    let other = world.mutate("slaCreate", input, versions).await;
    assert_eq!(other["object"]["id"], world.id("sla"));
    assert_eq!(other["object"]["versions"]["totalCount"], 2, "{other}");
    assert_eq!(other["object"]["activeVersion"], json!({ "number": 2, "versionName": "2.0" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_leaves_as_it_is_what_it_does_not_say_or_says_is_null_of_every_noun() {
    let mut world = World::new().await;
    world.make_all().await;
    let types = Types::of(&world.app).await;
    let mut unsaid = BTreeSet::new();
    for noun in world.nouns() {
        let mutation = format!("{}Create", noun.name);
        let ty = types.get(&format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]));
        let mut little = noun.input.clone();
        little["upsert"] = json!(true);
        for field in ty.inputs() {
            let kept = field.r#type.written().ends_with('!') || field.name.starts_with("source");
            if !kept
                && little.as_object_mut().unwrap().remove(&field.name).is_some_and(|said| !said.is_null())
            {
                unsaid.insert(format!("{}.{}", noun.name, field.name));
            }
        }
        little["upsert"] = json!(true);
        let mut null = little.clone();
        for field in ty.inputs().iter().filter(|field| !field.r#type.written().ends_with('!')) {
            if null.get(&field.name).is_none() {
                null[&field.name] = Value::Null;
            }
        }
        let id = world.id(noun.name).to_owned();
        for input in [little, null] {
            let payload = world.mutate(&mutation, input, "id revision").await;
            assert_eq!(payload["errors"], json!([]), "{mutation}: {payload}");
            assert_eq!(payload["object"], json!({ "id": id, "revision": 1 }), "{mutation}");
            compare(&world, noun.name, &id, &noun.input).await;
        }
    }
    for field in ["calendar.holidays", "organization.external", "serviceOffering.status", "team.memberIds"] {
        assert!(unsaid.contains(field), "{field} of {unsaid:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_of_an_sla_leaves_as_it_is_what_it_does_not_say() {
    let mut world = World::new().await;
    world.make_all().await;
    let mut input = world.nouns().pop().unwrap().input;
    input["upsert"] = json!(true);
    for unsaid in ["active", "remarks", "expiryDate"] {
        input[unsaid] = json!(null);
    }
    let kept = "active shared remarks expiryDate";
    let was = json!({ "active": false, "shared": false, "remarks": "none", "expiryDate": "2999-12-31" });
    assert_eq!(world.mutate("slaCreate", input.clone(), kept).await["object"], was);
    input["shared"] = json!(true);
    assert_eq!(world.mutate("slaCreate", input.clone(), kept).await["object"]["shared"], true);
    input["shared"] = json!(false);
    assert_eq!(codes(&world.mutate("slaCreate", input, kept).await), ["IRREVERSIBLE input.shared"], "S5");
}
