//! The models of all providers in one list, in the shape of the family that asks, and only those that the caller may use.

use std::sync::Arc;

use futures_util::future::join_all;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use serde_json::{Map, Value, json};

use super::{
    Outbound,
    attempt::Attempted,
    authenticate::Authenticated,
    engine::{Engine, Place},
    trail::{Fact, Trail},
};
use crate::{
    access::{self, Caller},
    channel::{Dispatch, Draft, Order, Payload, Via},
    protocol::{Family, Operation, OperationKey, OperationKind},
    runtime::{Body, Reply},
    snapshot::{Provider, Snapshot},
};

/// The largest list that one provider may send, in bytes.
const LIMIT: u64 = 8 << 20;

/// Whether a list is asked of one provider, which then answers it alone.
pub(super) fn is_scoped(call: &Authenticated, snapshot: &Snapshot) -> bool {
    call.call
        .scope
        .as_deref()
        .is_some_and(|scope| snapshot.provider(scope).is_some() || !["openai", "anthropic", "gemini"].contains(&scope))
}

/// Answers with the models of every provider that the caller may use something of. A provider that fails is left out.
pub(super) async fn list(engine: &Engine, call: Authenticated, mut trail: Box<Trail>, _place: Place) -> Outbound {
    let snapshot = engine.snapshot.load();
    let family = call.call.row.key(false).kind().family();
    let lists = join_all(snapshot.providers().iter().map(|provider| of_provider(engine, provider, &call.caller, family))).await;
    let models: Vec<Value> = lists.into_iter().flatten().collect();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    trail.note(Fact::Head(StatusCode::OK.as_u16(), &headers));
    trail.close(None, None);
    let body = Body::from(written(family, models).to_string());
    Outbound::Answer(Reply { status: StatusCode::OK, headers, body })
}

/// One model's description under the id that it has in the list.
pub(super) async fn prefixed(mut attempted: Attempted, provider: &str) -> Attempted {
    if !attempted.reply.status.is_success() {
        return attempted;
    }
    let family = attempted.key.kind().family();
    let body = std::mem::take(&mut attempted.reply.body).collect(LIMIT).await.unwrap_or_default();
    let named = serde_json::from_slice::<Value>(&body).ok().and_then(|mut model| {
        let id = id_of(family, &model)?;
        set_id(family, &mut model, &format!("{provider}/{id}"));
        Some(model.to_string())
    });
    attempted.reply.headers.remove(CONTENT_LENGTH);
    attempted.reply.body = named.map_or_else(|| Body::from(body), Body::from);
    attempted
}

async fn of_provider(engine: &Engine, provider: &Arc<Provider>, caller: &Caller, family: Family) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    if provider.models.is_empty() {
        found = fetched(engine, provider, caller, family).await.unwrap_or_default();
    } else {
        found.extend(provider.models.iter().map(|model| entry(family, &model.id, model.display_name.as_deref())));
    }
    found
        .into_iter()
        .filter_map(|mut model| {
            let id = id_of(family, &model)?;
            access::may_see(caller, &provider.name, &id).then(|| {
                set_id(family, &mut model, &format!("{}/{id}", provider.name));
                model
            })
        })
        .collect()
}

/// Asks a provider for its list, in the asker's own family where the provider has it, else in one that it has.
async fn fetched(engine: &Engine, provider: &Provider, caller: &Caller, family: Family) -> Option<Vec<Value>> {
    let native = |kind: OperationKind| {
        let key = OperationKey::new(Operation::ListModels, kind)?;
        provider.channel.serves(key).then_some(key)
    };
    let own = match family {
        Family::OpenAi => OperationKind::OpenAi,
        Family::Claude => OperationKind::Claude,
        Family::Gemini => OperationKind::Gemini,
    };
    let key = [own, OperationKind::OpenAi, OperationKind::Claude, OperationKind::Gemini].into_iter().find_map(native)?;
    let permit = access::admit(caller, key, &provider.name, None).ok()?;
    let asked = key.kind().family();
    let path = if asked == Family::Gemini { "/v1beta/models" } else { "/v1/models" };
    let query = match asked {
        Family::OpenAi => None,
        Family::Claude => Some("limit=1000".to_owned()),
        Family::Gemini => Some("pageSize=1000".to_owned()),
    };
    let draft = Draft {
        key,
        method: Method::GET,
        path: path.to_owned(),
        query,
        headers: HeaderMap::new(),
        payload: Payload::Empty,
        model: "".into(),
    };
    let secret = provider.credentials.first().and_then(|credential| credential.secret.clone());
    let via = Via { secret, profile: provider.profile.clone(), ..Via::default() };
    let reply = match provider.channel.prepare(Order::seal(&permit, draft, via)).ok()? {
        Dispatch::Answer(reply) => *reply,
        Dispatch::Send(request) => engine.platform.transport.send(*request).await.ok()?,
    };
    let reply = provider.channel.receive(key, reply);
    if !reply.status.is_success() {
        return None;
    }
    let body = reply.body.collect(LIMIT).await.ok()?;
    let mut list: Map<String, Value> = serde_json::from_slice(&body).ok()?;
    let models = list.remove(if asked == Family::Gemini { "models" } else { "data" })?;
    let Value::Array(models) = models else { return None };
    if asked == family {
        return Some(models);
    }
    Some(models.iter().filter_map(|model| Some(entry(family, &id_of(asked, model)?, name_of(asked, model)))).collect())
}

fn id_of(family: Family, model: &Value) -> Option<String> {
    match family {
        // Google writes `models/{id}` in its own list, and in the one that it shows in OpenAI's shape.
        Family::OpenAi => model["id"].as_str().map(bare),
        Family::Claude => model["id"].as_str().map(str::to_owned),
        Family::Gemini => model["name"].as_str().map(bare),
    }
}

fn bare(id: &str) -> String {
    id.strip_prefix("models/").unwrap_or(id).to_owned()
}

fn name_of(family: Family, model: &Value) -> Option<&str> {
    match family {
        Family::OpenAi => None,
        Family::Claude => model["display_name"].as_str(),
        Family::Gemini => model["displayName"].as_str(),
    }
}

fn set_id(family: Family, model: &mut Value, id: &str) {
    match family {
        Family::OpenAi | Family::Claude => model["id"] = id.into(),
        Family::Gemini => model["name"] = format!("models/{id}").into(),
    }
}

/// A model of which no more is known than its id.
fn entry(family: Family, id: &str, name: Option<&str>) -> Value {
    match family {
        Family::OpenAi => json!({"id": id, "object": "model", "created": 0, "owned_by": "gproxy"}),
        Family::Claude => json!({"type": "model", "id": id, "display_name": name.unwrap_or(id), "created_at": "1970-01-01T00:00:00Z"}),
        Family::Gemini => {
            json!({"name": id, "displayName": name.unwrap_or(id), "supportedGenerationMethods": ["generateContent", "countTokens"]})
        }
    }
}

fn written(family: Family, models: Vec<Value>) -> Value {
    match family {
        Family::OpenAi => json!({"object": "list", "data": models}),
        Family::Claude => {
            let (first, last) = (models.first().map(|model| model["id"].clone()), models.last().map(|model| model["id"].clone()));
            json!({"first_id": first, "last_id": last, "has_more": false, "data": models})
        }
        Family::Gemini => json!({"models": models}),
    }
}
