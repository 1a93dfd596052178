//! The pages for people, built from `web/` and part of the binary: they work with the network closed.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use rust_embed::Embed;

use super::{Entrance, Prefill};

/// The files that Vite built; none when it has not run. A debug build reads them from the folder at run time.
#[derive(Embed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

/// GraphiQL needs styles of its own making and workers from blobs; nothing comes from another host.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; worker-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; \
     base-uri 'none'; form-action 'none'",
);

const NOT_BUILT: &str = "<!doctype html><meta charset=utf-8><title>SLA gateway</title>\
    <h1>GraphiQL is not built</h1><p>Run <code>make web</code>, or \
    <code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>, and build the gateway again. \
    <p>The API itself is at <code>/graphql</code>.";

pub(super) fn routes() -> Router<Arc<Entrance>> {
    Router::new()
        // Relative, since a proxy may serve the gateway under a path of its own.
        .route("/", get(|| async { Redirect::temporary("graphiql/") }))
        .route("/graphiql", get(|| async { Redirect::permanent("graphiql/") }))
        .route("/graphiql/", get(|headers| async move { file("index.html", &headers) }))
        .route("/graphiql/config.json", get(config))
        .route(
            "/graphiql/{*path}",
            get(|Path(path): Path<String>, headers| async move { file(&path, &headers) }),
        )
}

/// What GraphiQL logs in with. Tokens are told only to whoever opened the page by a loopback name: another
/// name may be a stranger's that resolves to this machine.
async fn config(State(entrance): State<Arc<Entrance>>, headers: HeaderMap) -> Json<Prefill> {
    let prefill = entrance.config.prefill.as_ref().filter(|_| host_is_loopback(&headers));
    Json(prefill.map(|prefill| prefill()).unwrap_or_default())
}

fn host_is_loopback(headers: &HeaderMap) -> bool {
    let Some(Ok(host)) = headers.get(header::HOST).map(HeaderValue::to_str) else { return false };
    let port = |c: char| c.is_ascii_digit();
    let name = host.trim_end_matches(port).strip_suffix(':').unwrap_or(host);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    let mut response = match Dist::get(path) {
        None if path == "index.html" => Html(NOT_BUILT).into_response(),
        None => (StatusCode::NOT_FOUND, "There is no such page.\n").into_response(),
        Some(file) => {
            let hash = file.metadata.sha256_hash();
            let tag =
                format!("\"{}\"", hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>());
            // Vite names what is in assets/ after its content.
            let keep =
                if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
            let known =
                headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
            let kind = file.metadata.mimetype().to_owned();
            let about =
                [(header::ETAG, tag), (header::CACHE_CONTROL, keep.to_owned()), (header::CONTENT_TYPE, kind)];
            if known {
                (StatusCode::NOT_MODIFIED, about).into_response()
            } else {
                (about, file.data).into_response()
            }
        }
    };
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
