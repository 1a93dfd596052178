//! Which media type to answer in.

use axum::http::{HeaderMap, header};

/// A media type that `/graphql` answers in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status code tells whether the operation ran.
    Response,
    /// `application/json`, for older clients: a well-formed request is answered with 200 whatever its errors.
    Json,
    /// `text/event-stream`: results as they come.
    Events,
}

impl Media {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Response => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::Events => "text/event-stream",
        }
    }
}

/// What a request accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The one to answer a query or a mutation in.
    pub(super) best: Media,
    /// Whether results may be streamed, which a subscription needs. Only asking for it by name counts.
    pub(super) events: bool,
}

/// Reads `Accept`: by weight, then the order JSON (which is also what `*/*` and no header at all mean),
/// GraphQL's own type, events. None when nothing fits.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<Accepted> {
    let mut ranges = Vec::new();
    for value in headers.get_all(header::ACCEPT) {
        ranges.extend(value.to_str().ok()?.split(',').filter_map(range));
    }
    if ranges.is_empty() {
        return Some(Accepted { best: Media::Json, events: false });
    }
    let response = weight(&ranges, &["application/graphql-response+json", "application/*", "*/*"]);
    let json = weight(&ranges, &["application/json", "application/*", "*/*"]);
    let events = weight(&ranges, &["text/event-stream"]);
    // Of two equal weights `max_by` keeps the later one.
    let offers = [(Media::Events, events), (Media::Json, json), (Media::Response, response)];
    let named = ranges.iter().any(|(name, _)| name == "application/graphql-response+json");
    let offers = if named { offers } else { [offers[0], offers[2], offers[1]] };
    let (best, weight) = offers.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (weight > 0.0).then_some(Accepted { best, events: events > 0.0 })
}

/// One media range, in lower case and without parameters, and its weight.
fn range(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
    Some((name, weight))
}

/// The weight of the first, most specific, of these names that the request mentions.
fn weight(ranges: &[(String, f32)], names: &[&str]) -> f32 {
    let mentioned = names.iter().find_map(|name| ranges.iter().find(|(range, _)| range == name));
    mentioned.map_or(0.0, |(_, weight)| *weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(accept: &str) -> Option<Media> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        negotiate(&headers).map(|accepted| accepted.best)
    }

    #[test]
    fn the_weight_decides_then_the_more_telling_type() {
        assert_eq!(best("application/json"), Some(Media::Json));
        assert_eq!(best("application/graphql-response+json, application/json"), Some(Media::Response));
        assert_eq!(best("application/json, application/graphql-response+json"), Some(Media::Response));
        assert_eq!(best("application/graphql-response+json;q=0.5, application/json"), Some(Media::Json));
        assert_eq!(best("application/json;q=0, */*"), Some(Media::Response));
        assert_eq!(best("*/*"), Some(Media::Json));
        assert_eq!(best("APPLICATION/*;q=0.1"), Some(Media::Json));
        assert_eq!(best("text/event-stream"), Some(Media::Events));
        assert_eq!(best("text/event-stream, */*;q=0.1"), Some(Media::Events));
        assert_eq!(best("text/html,application/xhtml+xml,*/*;q=0.8"), Some(Media::Json));
        assert_eq!(best("text/html"), None);
        assert_eq!(best("application/json;q=0"), None);
        assert_eq!(negotiate(&HeaderMap::new()).map(|accepted| accepted.best), Some(Media::Json));
    }
}
