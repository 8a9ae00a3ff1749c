//! What a call leans on, put before its input: the provider gets what it would get from a client that sends everything itself.

use std::collections::HashMap;

use super::{
    Keeping, Memory, bad, down, items, no_conversation, signed,
    write::{Before, Draft},
};
use crate::{
    base::UserId,
    pipeline::{
        engine::Engine,
        error::GatewayError,
        resolve::{Content, Resolved},
    },
    protocol::{Operation, OperationKey, OperationKind, fault::FaultKind, json::Node, splice::Document},
    store::{
        persist::Page,
        record::{KeptKind, KeptRow},
    },
};

/// The most responses of one line.
const LONGEST_LINE: u32 = 2000;
/// The most items of a conversation that one call brings along.
const MOST_ITEMS: u64 = 10_000;

/// Completes a call whose provider keeps nothing, and notes what is to be kept of it.
///
/// # Errors
/// What it leans on is not there, or is too large; the store does not answer.
pub(in crate::pipeline) async fn recall(engine: &Engine, call: &mut Resolved) -> Result<(), GatewayError> {
    let Some(keeping) = engine.keeping().filter(|_| concerns(call)) else { return Ok(()) };
    let Content::Json(document) = &mut call.content else { return Ok(()) };
    let Some(asked) = Asked::read(document)? else { return Ok(()) };
    let memory = call.call.call.inbound.memory.clone();
    let recalling = Recalling {
        keeping,
        memory: memory.as_deref(),
        user: call.call.caller.user(),
        now_ms: engine.platform.clock.unix_ms(),
        limit: engine.limits.body,
    };
    let before = recalling.before(&asked).await?;
    let mut whole: Vec<String> = before.items;
    whole.extend(asked.items.iter().cloned());
    let resolved = recalling.resolve(&mut whole).await?;
    let size: usize = whole.iter().map(|item| item.len() + 1).sum();
    if size as u64 > recalling.limit {
        let message = format!("the input is larger than the {} bytes allowed here, together with what it goes on from", recalling.limit);
        return Err(GatewayError::new(FaultKind::TooLarge, message).at("input"));
    }
    if resolved || asked.leans() {
        document.set("input", items::joined(whole.iter().map(String::as_str)));
        document.remove("previous_response_id");
        document.remove("conversation");
        let own = asked.items.iter().map(|item| item.len() + 1).sum::<usize>();
        call.prompt_bytes += size.saturating_sub(own) as u64;
    }
    if !makes_response(call.key.operation()) {
        return Ok(());
    }
    let Content::Json(document) = &mut call.content else { return Ok(()) };
    let stores = asked.stores && asked.bytes() <= keeping.bytes;
    if asked.stores {
        // Kept here: the provider need not.
        document.remove("store");
    }
    // What nobody keeps is not gone on from by id: a response behind it is kept with all that was said.
    let input = if before.unkept { whole.clone() } else { asked.items };
    let draft =
        Before { named: asked.previous, previous: before.previous, conversation: before.conversation, input, asks: asked.stores, stores };
    let draft = Draft::new(keeping, recalling.user, draft);
    call.draft = Some(Box::new(match memory.clone().filter(|_| !stores) {
        Some(memory) => draft.remembered(memory, whole),
        None => draft,
    }));
    Ok(())
}

/// Whether the gateway keeps for this call: its shape is that of Responses, and its provider takes another.
pub(in crate::pipeline) fn concerns(call: &Resolved) -> bool {
    call.targets.first().is_some_and(|target| is_kept_here(call.key, target.key, target.is_local))
}

/// The same, of what is asked and what the provider is asked for it.
pub(in crate::pipeline) fn is_kept_here(asked: OperationKey, target: OperationKey, is_local: bool) -> bool {
    let native = matches!(target.kind(), OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket | OperationKind::OpenAi);
    let elsewhere = !native || is_local;
    match (asked.operation(), asked.kind()) {
        (
            Operation::GenerateContent | Operation::StreamGenerateContent,
            OperationKind::OpenAiResponses | OperationKind::OpenAiResponsesWebSocket,
        )
        | (Operation::CompactContent | Operation::CountTokens, OperationKind::OpenAi) => elsewhere,
        _ => false,
    }
}

fn makes_response(operation: Operation) -> bool {
    matches!(operation, Operation::GenerateContent | Operation::StreamGenerateContent)
}

/// What a body says of its state.
struct Asked {
    previous: Option<String>,
    conversation: Option<String>,
    stores: bool,
    items: Vec<String>,
}

impl Asked {
    /// `None` where the body is not what its dialect says, or asks for what is never kept: its reader will say it better.
    fn read(document: &Document) -> Result<Option<Self>, GatewayError> {
        if document.value("background") == Some(b"true") {
            return Ok(None);
        }
        let previous = document.peek().text(document.body(), "previous_response_id")?.map(std::borrow::Cow::into_owned);
        let conversation = conversation(document)?;
        if previous.is_some() && conversation.is_some() {
            let message = "\"previous_response_id\" and \"conversation\" are both given; expected one of them";
            return Err(bad(message).at("previous_response_id"));
        }
        let stores = document.value("store") != Some(b"false");
        Ok(items::of_input(document.value("input")).map(|items| Self { previous, conversation, stores, items }))
    }

    fn leans(&self) -> bool {
        self.previous.is_some() || self.conversation.is_some()
    }

    fn bytes(&self) -> u64 {
        self.items.iter().map(|item| item.len() as u64).sum()
    }
}

/// The id of the conversation: a text, or an object that has it.
fn conversation(document: &Document) -> Result<Option<String>, GatewayError> {
    let Some(node) = document.value("conversation").and_then(|value| Node::parse(value).ok()).filter(|node| !node.is_null()) else {
        return Ok(None);
    };
    let id = node.text().or_else(|| node.object()?.peek_text("id"));
    let id =
        id.ok_or_else(|| bad(node.wrong("conversation", "the id of a conversation, or an object with it").to_string()).at("conversation"))?;
    Ok(Some(id.into_owned()))
}

/// What stood before a call.
#[derive(Default)]
struct Stood {
    items: Vec<String>,
    previous: Option<KeptRow>,
    conversation: Option<KeptRow>,
    /// Whether the items are of a response that only its socket remembers.
    unkept: bool,
}

struct Recalling<'a> {
    keeping: &'a Keeping,
    memory: Option<&'a Memory>,
    user: UserId,
    now_ms: u64,
    /// The most bytes of a whole input.
    limit: u64,
}

impl Recalling<'_> {
    async fn before(&self, asked: &Asked) -> Result<Stood, GatewayError> {
        match (&asked.previous, &asked.conversation) {
            (Some(id), _) => match self.memory.and_then(|memory| memory.recall(id)) {
                Some(items) => Ok(Stood { items, unkept: true, ..Stood::default() }),
                None => self.line(id).await,
            },
            (None, Some(id)) => self.conversation(id).await,
            (None, None) => Ok(Stood::default()),
        }
    }

    async fn line(&self, id: &str) -> Result<Stood, GatewayError> {
        let unknown = || {
            GatewayError::new(FaultKind::UnknownPrevious, format!("Previous response with id '{id}' not found.")).at("previous_response_id")
        };
        let last = self.keeping.live((self.user, id), KeptKind::Response, self.now_ms).await?.ok_or_else(unknown)?;
        let too_long =
            |what: String| Err(bad(format!("response {id:?} has {what}; send what matters of it as input")).at("previous_response_id"));
        if last.depth >= LONGEST_LINE {
            return too_long(format!("{LONGEST_LINE} responses before it, the most that are put together"));
        }
        if last.bytes > self.limit {
            return too_long(format!("more than the {} bytes behind it that are allowed here", self.limit));
        }
        let links = self.keeping.store.line(last.clone()).await.map_err(down)?;
        if links.is_empty() {
            return Err(unknown());
        }
        let mut items = Vec::new();
        for link in links {
            items.extend(items::of_input(Some(link.input_json.as_bytes())).unwrap_or_default());
            items.extend(link.output.into_iter().map(|item| item.json));
        }
        Ok(Stood { items, previous: Some(last), ..Stood::default() })
    }

    async fn conversation(&self, id: &str) -> Result<Stood, GatewayError> {
        let found = self.keeping.live((self.user, id), KeptKind::Conversation, self.now_ms).await?;
        let row = found.ok_or_else(|| no_conversation(id).at("conversation"))?;
        let page = Page { after: None, newest_first: false, limit: MOST_ITEMS };
        let items = self.keeping.store.items(self.user, id.to_owned(), page).await.map_err(down)?;
        let items = items.into_iter().map(|item| item.json).collect();
        Ok(Stood { items, conversation: Some(row), ..Stood::default() })
    }

    /// Puts kept items in the place of those that are only named; tells whether there were any.
    async fn resolve(&self, whole: &mut [String]) -> Result<bool, GatewayError> {
        let named: Vec<(usize, String)> = whole.iter().enumerate().filter_map(|(at, item)| Some((at, items::reference(item)?))).collect();
        if named.is_empty() {
            return Ok(false);
        }
        let mut ids: Vec<String> = named.iter().map(|(_, id)| id.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = self.keeping.store.named(self.user, ids, signed(self.now_ms)).await.map_err(down)?;
        let found: HashMap<String, String> = found.into_iter().map(|item| (item.id, item.json)).collect();
        for (at, id) in named {
            let json = found.get(&id).ok_or_else(|| {
                let message = format!("Item with id '{id}' not found. Items are kept unless `store` is false; send the item itself.");
                GatewayError::new(FaultKind::UnknownThing, message).at("input")
            })?;
            whole[at].clone_from(json);
        }
        Ok(true)
    }
}
