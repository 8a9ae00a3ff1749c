//! The models of all providers in one list, in the shape of the family that asks, and only those that the caller may use.

use std::sync::Arc;

use futures_util::future::join_all;
use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};

use super::{
    Outbound,
    attempt::Attempted,
    authenticate::Authenticated,
    engine::{Engine, Place},
    error::GatewayError,
    local, renew,
    trail::{Fact, Trail},
};
use crate::{
    access::{self, Caller},
    channel::{Dispatch, Draft, Order, Payload, Via},
    protocol::{Family, Operation, OperationKey, dispatch::shape_of, fault::FaultKind, json::Node},
    runtime::{Body, Reply},
    snapshot::{Provider, Snapshot},
    transform::models::{List, Model, Page},
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
    let routes = snapshot.names().listed("").filter(|route| access::may_see_route(&call.caller, route));
    let routes = routes.map(|route| Model { id: route.to_string(), ..Model::default() }).collect::<Vec<_>>();
    // OpenAI's own list has no pages.
    let page = match family {
        Family::OpenAi => Page::default(),
        Family::Claude | Family::Gemini => Page::read(family, call.call.query.as_deref().unwrap_or_default()),
    };
    let body = page.cut(routes.into_iter().chain(lists.into_iter().flatten()).collect()).written(family);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    trail.note(Fact::Head(StatusCode::OK.as_u16(), &headers));
    trail.close(None, None);
    Outbound::Answer(Reply::new(StatusCode::OK, headers, Body::from(bytes::Bytes::from(body))))
}

/// One model's description under the id that it has in the list.
pub(super) async fn prefixed(mut attempted: Box<Attempted>) -> Box<Attempted> {
    let provider = Arc::clone(&attempted.provider.name);
    if !attempted.reply.status.is_success() {
        return attempted;
    }
    let family = attempted.key.kind().family();
    let body = std::mem::take(&mut attempted.reply.body).collect(LIMIT).await.unwrap_or_default();
    let named = Node::parse(&body).and_then(|node| Model::read(family, node)).ok().map(|model| {
        let id = format!("{provider}/{}", model.id);
        Model { id, ..model }.written(family)
    });
    attempted.reply.headers.remove(CONTENT_LENGTH);
    attempted.reply.body = named.map_or_else(|| Body::from(body), |named| Body::from(bytes::Bytes::from(named)));
    attempted
}

/// A provider's own list without the models that the caller may not use; as it is, for whoever may use all of them.
///
/// # Errors
/// It cannot be read, and so not be gone through.
pub(super) async fn seen(mut attempted: Box<Attempted>, caller: &Caller) -> Result<Box<Attempted>, GatewayError> {
    let provider = Arc::clone(&attempted.provider.name);
    if !attempted.reply.status.is_success() || access::may_see_all(caller, &provider) {
        return Ok(attempted);
    }
    let family = attempted.key.kind().family();
    let body = std::mem::take(&mut attempted.reply.body).collect(LIMIT).await.unwrap_or_default();
    let list = Node::parse(&body).and_then(|node| List::read(family, node));
    let mut list =
        list.map_err(|fault| GatewayError::new(FaultKind::Upstream, "the provider's list of models cannot be read").because(fault))?;
    list.models.retain(|model| access::may_see(caller, &provider, &model.id));
    attempted.reply.headers.remove(CONTENT_LENGTH);
    attempted.reply.body = Body::from(bytes::Bytes::from(list.written(family)));
    Ok(attempted)
}

async fn of_provider(engine: &Engine, provider: &Arc<Provider>, caller: &Caller, family: Family) -> Vec<Model> {
    let list = if provider.models.is_empty() {
        fetched(engine, provider, caller, family).await.unwrap_or_default()
    } else {
        local::listed(provider)
    };
    let seen = list.models.into_iter().filter(|model| access::may_see(caller, &provider.name, &model.id));
    seen.map(|model| Model { id: format!("{}/{}", provider.name, model.id), ..model }).collect()
}

/// Asks a provider for its list, in the asker's own family where the provider has it, else in one that it has.
async fn fetched(engine: &Engine, provider: &Arc<Provider>, caller: &Caller, family: Family) -> Option<List> {
    let native = |family: Family| {
        let key = OperationKey::new(Operation::ListModels, shape_of(family))?;
        provider.channel.serves(key).then_some(key)
    };
    let key = [family, Family::OpenAi, Family::Claude, Family::Gemini].into_iter().find_map(native)?;
    let permit = access::admit(caller, key, &provider.name, None).ok()?;
    let asked = key.kind().family();
    let path = if asked == Family::Gemini { "/v1beta/models" } else { "/v1/models" };
    let whole = Page { limit: (asked != Family::OpenAi).then_some(1000), ..Page::default() };
    let draft = Draft {
        key,
        method: Method::GET,
        path: path.to_owned(),
        query: whole.written(asked),
        headers: HeaderMap::new(),
        payload: Payload::Empty,
        model: "".into(),
    };
    let credential = match provider.credentials.first() {
        Some(credential) => Some(renew::armed(engine, provider, credential, None).await.ok()?),
        None => None,
    };
    let credential = credential.as_ref();
    let profile = credential.map_or(&provider.profile, |credential| &credential.profile).clone();
    let via = Via { secret: credential.and_then(|credential| credential.secret.clone()), profile, ..Via::default() };
    let reply = match provider.channel.prepare(Order::seal(&permit, draft, via)).ok()? {
        Dispatch::Answer(reply) => *reply,
        Dispatch::Send(request) => engine.platform.transport.send(*request).await.ok()?,
    };
    let reply = provider.channel.receive(key, reply);
    if !reply.status.is_success() {
        return None;
    }
    let body = reply.body.collect(LIMIT).await.ok()?;
    List::read(asked, Node::parse(&body).ok()?).ok()
}
