//! What is asked: each query in GraphQL, and as the best single statement that we know for the same answer.

use serde_json::json;
use sla_gateway::store::connect;

use crate::Outcome;
use crate::load::{Asker, Request};
use crate::servers::Gateway;

/// One query, twice.
pub(crate) struct Query {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// The most that it may cost, relative to L1.
    pub(crate) bar: f64,
    graphql: &'static str,
    /// Its parameters are texts, its one row is the answer.
    pub(crate) sql: &'static str,
    /// What the many requests are about: rows of (root, key…), as texts.
    subjects: &'static str,
}

/// As many tenants as there are, at the most these, always the same.
const TENANTS: &str = "SELECT root_id::text, id::text FROM tenant WHERE slug LIKE 'scale-%' \
                       ORDER BY md5(slug) LIMIT 48";

/// The row after which the page of Q4 begins.
const DEEP: usize = 1_000;

pub(crate) const ALL: &[Query] = &[
    Query {
        name: "Q1",
        what: "one SLA by id with its active version",
        bar: 2.5,
        graphql: "query One($id: ID!) {
  sla(id: $id) {
    uuid name description kind active shared revision createdAt updatedAt
    activeVersion { uuid number versionName description createdAt }
  }
}",
        sql: "SELECT json_build_object('data', json_build_object('sla', json_build_object(
  'uuid', s.id, 'name', s.name, 'description', s.description, 'kind', upper(s.kind), 'active', s.active,
  'shared', s.shared, 'revision', s.revision, 'createdAt', s.created_at, 'updatedAt', s.updated_at,
  'activeVersion', json_build_object('uuid', v.id, 'number', v.number, 'versionName', v.version_name,
    'description', v.description, 'createdAt', v.created_at))))::text
FROM sla s JOIN sla_version v ON v.root_id = s.root_id AND v.id = s.active_version_id
WHERE s.root_id = $1::text::uuid AND s.id = $2::text::uuid",
        subjects: "SELECT root_id::text, id::text FROM sla ORDER BY md5(id::text) LIMIT 512",
    },
    Query {
        name: "Q2",
        what: "the first 50 SLAs of a tenant by name, each with its active version, offering, service and provider, \
               customer and instance",
        bar: 1.6,
        graphql: "query Page($tenant: ID!) {
  slas(first: 50, filter: { tenant: { eq: $tenant } }, orderBy: [{ field: NAME }]) {
    nodes {
      uuid name kind active createdAt
      activeVersion { number versionName createdAt }
      serviceOffering { uuid name service { uuid name provider { uuid name } } }
      customer { uuid name }
      serviceInstance { uuid name }
    }
  }
}",
        sql: "SELECT json_build_object('data', json_build_object('slas', json_build_object('nodes', json_agg(
  json_build_object('uuid', s.id, 'name', s.name, 'kind', upper(s.kind), 'active', s.active, 'createdAt', s.created_at,
    'activeVersion', json_build_object('number', v.number, 'versionName', v.version_name, 'createdAt', v.created_at),
    'serviceOffering', CASE WHEN o.id IS NOT NULL THEN json_build_object('uuid', o.id, 'name', o.name,
      'service', json_build_object('uuid', e.id, 'name', e.name,
        'provider', json_build_object('uuid', p.id, 'name', p.name))) END,
    'customer', CASE WHEN c.id IS NOT NULL THEN json_build_object('uuid', c.id, 'name', c.name) END,
    'serviceInstance', CASE WHEN i.id IS NOT NULL THEN json_build_object('uuid', i.id, 'name', i.name) END)
  ORDER BY s.name, s.id))))::text
FROM (SELECT * FROM sla WHERE root_id = $1::text::uuid AND tenant_id = $2::text::uuid ORDER BY name, id LIMIT 50) s
JOIN sla_version v ON v.root_id = s.root_id AND v.id = s.active_version_id
LEFT JOIN service_offering o ON o.root_id = v.root_id AND o.id = v.service_offering_id
LEFT JOIN service e ON e.root_id = o.root_id AND e.id = o.service_id
LEFT JOIN organization p ON p.root_id = e.root_id AND p.id = e.provider_id
LEFT JOIN organization c ON c.root_id = s.root_id AND c.id = s.customer_id
LEFT JOIN service_instance i ON i.root_id = v.root_id AND i.id = v.service_instance_id",
        subjects: TENANTS,
    },
    Query {
        name: "Q3",
        what: "a tenant, 20 of its SLAs by name, of each the 10 newest versions with their creators and the 10 newest \
               affected SLAs with request and instance",
        bar: 1.4,
        graphql: "query Deep($tenant: ID!) {
  tenant(id: $tenant) {
    uuid name
    slas(first: 20, includeShared: false) {
      nodes {
        uuid name
        versions(first: 10) { nodes { number versionName createdAt createdBy { uuid firstName lastName } } }
        affectedSlas(first: 10) {
          nodes { uuid nextTarget startedAt request { uuid subject } serviceInstance { uuid name } }
        }
      }
    }
  }
}",
        sql: "SELECT json_build_object('data', json_build_object('tenant', json_build_object('uuid', t.id, 'name', t.name,
  'slas', json_build_object('nodes', (
    SELECT json_agg(json_build_object('uuid', s.id, 'name', s.name,
      'versions', json_build_object('nodes', (
        SELECT json_agg(json_build_object('number', v.number, 'versionName', v.version_name, 'createdAt', v.created_at,
          'createdBy', CASE WHEN p.id IS NOT NULL THEN
            json_build_object('uuid', p.id, 'firstName', p.first_name, 'lastName', p.last_name) END) ORDER BY v.number DESC)
        FROM (SELECT * FROM sla_version WHERE root_id = s.root_id AND sla_id = s.id ORDER BY number DESC LIMIT 10) v
        LEFT JOIN person p ON p.root_id = v.root_id AND p.id = v.created_by)),
      'affectedSlas', json_build_object('nodes', COALESCE((
        SELECT json_agg(json_build_object('uuid', a.id, 'nextTarget', upper(a.next_target), 'startedAt', a.started_at,
          'request', json_build_object('uuid', r.id, 'subject', r.subject),
          'serviceInstance', CASE WHEN i.id IS NOT NULL THEN json_build_object('uuid', i.id, 'name', i.name) END)
          ORDER BY a.id DESC)
        FROM (SELECT * FROM affected_sla WHERE root_id = s.root_id AND sla_id = s.id ORDER BY id DESC LIMIT 10) a
        JOIN request r ON r.root_id = a.root_id AND r.id = a.request_id
        LEFT JOIN service_instance i ON i.root_id = a.root_id AND i.id = a.service_instance_id), '[]'))
    ) ORDER BY s.name, s.id)
    FROM (SELECT * FROM sla WHERE root_id = t.root_id AND tenant_id = t.id ORDER BY name, id LIMIT 20) s)))))::text
FROM tenant t WHERE t.root_id = $1::text::uuid AND t.id = $2::text::uuid",
        subjects: TENANTS,
    },
    Query {
        name: "Q4",
        what: "100 affected SLAs of a tenant from the 1 000th by next target on (beyond the clocks that run), with the \
               name of the SLA and the subject of the request",
        bar: 1.6,
        graphql: "query Far($tenant: ID!, $after: String) {
  affectedSlas(
    first: 100, after: $after, filter: { tenant: { eq: $tenant } }, orderBy: [{ field: NEXT_TARGET_AT }]
  ) {
    nodes { uuid impact nextTarget nextTargetAt startedAt actualResolutionAt sla { name } request { subject } }
  }
}",
        sql: "SELECT json_build_object('data', json_build_object('affectedSlas', json_build_object('nodes', json_agg(
  json_build_object('uuid', a.id, 'impact', upper(a.impact), 'nextTarget', upper(a.next_target),
    'nextTargetAt', a.next_target_at, 'startedAt', a.started_at, 'actualResolutionAt', a.actual_resolution_at,
    'sla', json_build_object('name', s.name), 'request', json_build_object('subject', r.subject)) ORDER BY a.id))))::text
FROM (SELECT * FROM affected_sla WHERE root_id = $1::text::uuid AND tenant_id = $2::text::uuid
  AND next_target_at IS NULL AND id > $3::text::uuid ORDER BY next_target_at, id LIMIT 100) a
JOIN sla s ON s.root_id = a.root_id AND s.id = a.sla_id
JOIN request r ON r.root_id = a.root_id AND r.id = a.request_id",
        subjects: TENANTS,
    },
];

/// The requests that ask for the same, in the same order.
pub(crate) struct Requests {
    pub(crate) gateway: Vec<Request>,
    pub(crate) hand_written: Vec<Request>,
}

impl Requests {
    pub(crate) async fn prepare(query: &'static Query, url: &str, gateway: &Gateway) -> Outcome<Self> {
        let client = connect::client(url).await?;
        let number = ALL.iter().position(|other| other.name == query.name).unwrap_or_default();
        let mut requests = Self { gateway: Vec::new(), hand_written: Vec::new() };
        for row in client.query(query.subjects, &[]).await? {
            let (root, key): (String, String) = (row.get(0), row.get(1));
            let mut keys = format!("{root}/{key}");
            let mut variables = json!({ "id": key, "tenant": key });
            if query.name == "Q4" {
                let (cursor, last) = deep(&key, gateway).await?;
                variables["after"] = cursor;
                keys = format!("{keys}/{last}");
            }
            // A variable that the operation does not have would be ignored, and yet be read.
            if let Some(variables) = variables.as_object_mut() {
                variables.retain(|name, _| query.graphql.contains(&format!("${name}")));
            }
            requests.gateway.push(graphql(gateway, query.graphql, &variables));
            requests.hand_written.push(Request::get(&format!("/{number}/{keys}")));
        }
        if requests.gateway.is_empty() { Err("the large store is empty".into()) } else { Ok(requests) }
    }

    pub(crate) fn len(&self) -> usize {
        self.gateway.len()
    }
}

fn graphql(gateway: &Gateway, query: &str, variables: &serde_json::Value) -> Request {
    let body = json!({ "query": query, "variables": variables });
    Request::post("/graphql", &gateway.token, body.to_string())
}

/// The cursor of the row that the page of Q4 follows, and that row's key: reached page by page, as a client would.
async fn deep(tenant: &str, gateway: &Gateway) -> Outcome<(serde_json::Value, String)> {
    const PAGE: &str = "query($tenant: ID!, $after: String) {
  affectedSlas(first: 100, after: $after, filter: { tenant: { eq: $tenant } }, orderBy: [{ field: NEXT_TARGET_AT }]) {
    pageInfo { endCursor } nodes { uuid }
  }
}";
    let mut asker = Asker::connect(gateway.address).await?;
    let (mut cursor, mut last) = (serde_json::Value::Null, String::new());
    for _ in 0..DEEP / 100 {
        let variables = json!({ "tenant": tenant, "after": cursor });
        let answer = asker.json(&graphql(gateway, PAGE, &variables)).await?;
        let page = &answer["data"]["affectedSlas"];
        cursor = page["pageInfo"]["endCursor"].clone();
        last =
            page["nodes"][99]["uuid"].as_str().ok_or_else(|| format!("no page of 100: {answer}"))?.to_owned();
    }
    Ok((cursor, last))
}

impl Query {
    /// The first request once more, asking how many statements it took.
    pub(crate) fn counting(&self, request: &Request) -> Outcome<Request> {
        let mut body: serde_json::Value = serde_json::from_slice(&request.body)?;
        body["extensions"] = json!({ "statements": true });
        Ok(request.with_body(body.to_string()))
    }
}
