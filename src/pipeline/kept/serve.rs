//! Calls about what is kept here: responses and conversations, by their ids.

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use serde_json::{Value, json};

use super::{Keeping, bad, down, items, no_conversation, no_response, thing, write};
use crate::{
    access,
    base::UserId,
    pipeline::{
        Outbound,
        authenticate::Authenticated,
        engine::{Engine, Place},
        error::GatewayError,
        hold, models,
        resolve::Resolved,
        trail::{Fact, Trail},
        unread,
    },
    protocol::{Family, Operation, OperationKey, OperationKind, dispatch::Implementation, fault::FaultKind},
    runtime::{Body, Reply},
    snapshot::Snapshot,
    store::{
        persist::Page,
        record::{Keep, KeptItem, KeptKind, KeptRow},
    },
};

/// Whether a call is about what the gateway keeps: no provider is named in its path, or one
/// that takes no Responses, and so keeps nothing itself.
pub(in crate::pipeline) fn is_here(engine: &Engine, call: &Authenticated, snapshot: &Snapshot) -> bool {
    let key = call.call.row.key(false);
    if !is_about_kept(key.operation()) || engine.keeping().is_none() {
        return false;
    }
    match call.call.scope.as_deref().and_then(|scope| snapshot.provider(scope)) {
        Some(provider) => ![Some(key), OperationKey::new(Operation::GenerateContent, OperationKind::OpenAiResponses)]
            .into_iter()
            .flatten()
            .all(|key| provider.dispatch.of(key, &*provider.channel) == Implementation::Passthrough),
        // An unknown provider is refused where providers are looked up.
        None => !models::is_scoped(call, snapshot),
    }
}

fn is_about_kept(operation: Operation) -> bool {
    use Operation as O;
    matches!(
        operation,
        O::RetrieveResponse
            | O::DeleteResponse
            | O::CancelResponse
            | O::ListResponseInput
            | O::CreateConversation
            | O::RetrieveConversation
            | O::UpdateConversation
            | O::DeleteConversation
            | O::ListConversationItems
            | O::CreateConversationItems
            | O::RetrieveConversationItem
            | O::DeleteConversationItem
    )
}

/// Answers such a call, of whoever may use anything, within its limits.
pub(in crate::pipeline) async fn serve(
    engine: &Engine,
    call: Authenticated,
    snapshot: &Snapshot,
    (mut trail, _place): (Box<Trail>, Place),
) -> Outbound {
    let mut resolved = Box::new(Resolved::here(call));
    match admit(engine, &mut resolved, snapshot, &mut trail).await {
        Ok(left) => answer(engine, resolved.call, trail).await.with(left),
        Err(error) => {
            let body = std::mem::take(&mut resolved.call.call.inbound.body);
            let error = unread(engine, body, error).await;
            trail.refuse(error, Family::OpenAi)
        }
    }
}

/// Lets a call in; tells how much of its limits is left.
async fn admit(engine: &Engine, call: &mut Resolved, snapshot: &Snapshot, trail: &mut Trail) -> Result<HeaderMap, GatewayError> {
    access::admit_here(&call.call.caller)?;
    let Some(asked) = hold::ask(call, snapshot)? else { return Ok(HeaderMap::new()) };
    let hold::Held { hold, left } = hold::hold(engine, asked).await?;
    trail.note(Fact::Held(hold));
    Ok(left)
}

async fn answer(engine: &Engine, mut call: Authenticated, mut trail: Box<Trail>) -> Outbound {
    let body = std::mem::take(&mut call.call.inbound.body);
    let operation = call.call.row.key(false).operation();
    let answered = match (engine.keeping(), read(operation, body, engine.limits.body).await) {
        (Some(keeping), Ok(body)) => Visit::of(engine, keeping, call, (operation, body)).answer().await,
        (_, Err(error)) => Err(error),
        (None, Ok(_)) => Err(GatewayError::new(FaultKind::Unsupported, "nothing is kept here")),
    };
    match answered {
        Ok(value) => {
            let body = bytes::Bytes::from(value.to_string());
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            trail.note(Fact::Head(StatusCode::OK.as_u16(), &headers));
            trail.close(None, None);
            Outbound::Answer(Reply::new(StatusCode::OK, headers, Body::from(body)))
        }
        Err(error) => trail.refuse(error, Family::OpenAi),
    }
}

/// The body of a call that has one.
async fn read(operation: Operation, body: Body, limit: u64) -> Result<Value, GatewayError> {
    match operation {
        Operation::CreateConversation | Operation::UpdateConversation | Operation::CreateConversationItems => {
            thing::object(&body.collect(limit).await?)
        }
        _ => Ok(Value::Null),
    }
}

/// One such call.
struct Visit {
    keeping: Keeping,
    operation: Operation,
    user: UserId,
    /// The path's ids: of the thing, and of an item of it.
    id: String,
    item: String,
    query: String,
    body: Value,
    /// What new ids are made of.
    name: String,
    now_ms: u64,
}

impl Visit {
    fn of(engine: &Engine, keeping: &Keeping, call: Authenticated, (operation, body): (Operation, Value)) -> Self {
        // `/v1/{things}/{id}/items/{item}`
        let mut segments = call.call.path.split('/').skip(3).map(str::to_owned);
        let (id, item) = (segments.next().unwrap_or_default(), segments.nth(1).unwrap_or_default());
        Self {
            keeping: keeping.clone(),
            operation,
            user: call.caller.user(),
            id,
            item,
            query: call.call.query.unwrap_or_default(),
            body,
            name: call.call.inbound.request_id.to_string(),
            now_ms: engine.platform.clock.unix_ms(),
        }
    }

    async fn answer(&self) -> Result<Value, GatewayError> {
        use Operation as O;
        match self.operation {
            O::RetrieveResponse => self.response().await,
            O::DeleteResponse => self.delete_response().await,
            O::ListResponseInput => self.input_items().await,
            O::CreateConversation => self.create().await,
            O::RetrieveConversation => Ok(thing::shown(&self.conversation().await?)),
            O::UpdateConversation => self.update().await,
            O::DeleteConversation => self.delete_conversation().await,
            O::ListConversationItems => self.list_items().await,
            O::CreateConversationItems => self.add_items().await,
            O::RetrieveConversationItem => self.one_item().await.map(|item| items::shown(&item.json, &item.id)),
            O::DeleteConversationItem => self.delete_item().await,
            // Only what runs in the background can be cancelled, and nothing does here.
            _ => {
                self.kept_response().await?;
                Err(bad("only background responses can be cancelled; this one is complete"))
            }
        }
    }

    async fn kept_response(&self) -> Result<KeptRow, GatewayError> {
        let found = self.keeping.live((self.user, &self.id), KeptKind::Response, self.now_ms).await?;
        found.ok_or_else(|| no_response(&self.id))
    }

    async fn response(&self) -> Result<Value, GatewayError> {
        let row = self.kept_response().await?;
        if self.query.split('&').any(|pair| pair == "stream=true") {
            return Err(bad("a kept response is complete and is given whole; leave \"stream\" out").at("stream"));
        }
        let mut body: Value = serde_json::from_str(&row.body_json).map_err(unreadable)?;
        let page = Page { after: None, newest_first: false, limit: u64::MAX };
        let output = self.keeping.store.items(self.user, row.id, page).await.map_err(down)?;
        let output: Result<Vec<Value>, _> = output.iter().map(|item| serde_json::from_str(&item.json)).collect();
        body["output"] = output.map_err(unreadable)?.into();
        Ok(body)
    }

    async fn delete_response(&self) -> Result<Value, GatewayError> {
        let row = self.kept_response().await?;
        self.keeping.store.forget(self.user, row.id).await.map_err(down)?;
        Ok(json!({"id": self.id, "object": "response", "deleted": true}))
    }

    async fn input_items(&self) -> Result<Value, GatewayError> {
        let row = self.kept_response().await?;
        let page = thing::page(&self.query)?;
        let input = items::of_input(Some(row.input_json.as_bytes())).unwrap_or_default();
        let named = input.into_iter().enumerate().map(|(at, json)| {
            let id = items::own_id(&json).unwrap_or_else(|| write::given(&row.id, at));
            KeptItem { id, json }
        });
        let mut all: Vec<KeptItem> = named.collect();
        if page.newest_first {
            all.reverse();
        }
        let begin = page.after.as_ref().map_or(0, |after| all.iter().position(|item| item.id == *after).map_or(all.len(), |at| at + 1));
        Ok(thing::list(all.into_iter().skip(begin), page.limit))
    }

    async fn conversation(&self) -> Result<KeptRow, GatewayError> {
        let found = self.keeping.live((self.user, &self.id), KeptKind::Conversation, self.now_ms).await?;
        found.ok_or_else(|| no_conversation(&self.id))
    }

    async fn create(&self) -> Result<Value, GatewayError> {
        let id = format!("conv_{}", self.name);
        let body = thing::conversation(&id, self.now_ms / 1000, thing::metadata(&self.body)?);
        let row = KeptRow {
            user_id: self.user,
            kind: KeptKind::Conversation,
            previous: None,
            thread: id.clone(),
            depth: 0,
            bytes: 0,
            body_json: body.to_string(),
            input_json: "[]".to_owned(),
            created_at: super::signed(self.now_ms),
            expires_at: self.keeping.expiry(self.now_ms),
            id,
        };
        self.keep(Keep { row, items: self.given_items()? }).await?;
        Ok(body)
    }

    async fn update(&self) -> Result<Value, GatewayError> {
        let row = self.conversation().await?;
        let mut body = thing::shown(&row);
        body["metadata"] = thing::metadata(&self.body)?;
        self.keep(Keep { row: KeptRow { body_json: body.to_string(), ..self.used(row) }, items: Vec::new() }).await?;
        Ok(body)
    }

    async fn delete_conversation(&self) -> Result<Value, GatewayError> {
        let row = self.conversation().await?;
        self.keeping.store.forget(self.user, row.id).await.map_err(down)?;
        Ok(json!({"id": self.id, "object": "conversation.deleted", "deleted": true}))
    }

    async fn list_items(&self) -> Result<Value, GatewayError> {
        let row = self.conversation().await?;
        let page = thing::page(&self.query)?;
        let limit = page.limit;
        // One more than is shown, to know whether there are more.
        let found = self.keeping.store.items(self.user, row.id, Page { limit: limit + 1, ..page }).await.map_err(down)?;
        Ok(thing::list(found.into_iter(), limit))
    }

    async fn add_items(&self) -> Result<Value, GatewayError> {
        let row = self.conversation().await?;
        let items = self.given_items()?;
        if items.is_empty() {
            return Err(bad("\"items\" is missing or empty; expected 1 to 20 items").at("items"));
        }
        self.keep(Keep { row: self.used(row), items: items.clone() }).await?;
        Ok(thing::list(items.into_iter(), u64::MAX))
    }

    async fn one_item(&self) -> Result<KeptItem, GatewayError> {
        let row = self.conversation().await?;
        let page = Page { after: None, newest_first: false, limit: u64::MAX };
        let found = self.keeping.store.items(self.user, row.id, page).await.map_err(down)?;
        found.into_iter().find(|item| item.id == self.item).ok_or_else(|| self.no_item())
    }

    async fn delete_item(&self) -> Result<Value, GatewayError> {
        let row = self.conversation().await?;
        let gone = self.keeping.store.forget_item(self.user, row.id.clone(), self.item.clone()).await.map_err(down)?;
        if gone { Ok(thing::shown(&row)) } else { Err(self.no_item()) }
    }

    fn no_item(&self) -> GatewayError {
        GatewayError::new(FaultKind::UnknownThing, format!("Item with id '{}' not found in conversation '{}'.", self.item, self.id))
    }

    /// The items of the body, under ids.
    fn given_items(&self) -> Result<Vec<KeptItem>, GatewayError> {
        thing::items(&self.body, self.keeping.bytes)?
            .into_iter()
            .enumerate()
            .map(|(at, json)| Ok(KeptItem { id: items::own_id(&json).unwrap_or_else(|| format!("msg_{}_{at}", self.name)), json }))
            .collect()
    }

    /// A thing that is used now, and so expires later.
    fn used(&self, row: KeptRow) -> KeptRow {
        KeptRow { expires_at: self.keeping.expiry(self.now_ms), ..row }
    }

    async fn keep(&self, thing: Keep) -> Result<(), GatewayError> {
        self.keeping.store.keep(vec![thing]).await.map_err(down)
    }
}

fn unreadable(fault: serde_json::Error) -> GatewayError {
    GatewayError::new(FaultKind::Internal, "what was kept cannot be read").because(fault)
}
