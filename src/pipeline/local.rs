//! What the gateway answers by itself, where a provider cannot: how many tokens a prompt has, which models there are.

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};

use super::{
    Outbound,
    authorize::Admitted,
    engine::Place,
    error::GatewayError,
    trail::{Fact, Trail},
};
use crate::{
    access,
    protocol::{
        Operation,
        fault::FaultKind,
        json::{Node, Shape},
        splice::Document,
    },
    runtime::{Body, Reply},
    tokenize::{Count, Counter, Media},
    transform::{
        count::{self, Origin},
        models::{List, Model, Page},
    },
};

/// No request is nested deeper than this.
const DEEPEST: usize = 64;
/// A longer text without a space is no text: pictures, sounds, signatures.
const LONGEST_WORD: usize = 1024;
/// Members that are names and marks, not words for the model.
const SILENT: [&str; 9] = ["model", "type", "role", "id", "call_id", "tool_use_id", "mime_type", "mimeType", "media_type"];

/// Answers a call here.
pub(super) fn answer(admitted: Admitted, mut trail: Box<Trail>, _place: Place) -> Outbound {
    let family = admitted.call.key.kind().family();
    match body(&admitted) {
        Ok(body) => {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            trail.note(Fact::Head(StatusCode::OK.as_u16(), &headers));
            trail.close(None, None);
            Outbound::Answer(Reply::new(StatusCode::OK, headers, Body::from(bytes::Bytes::from(body))))
        }
        Err(error) => trail.refuse(error, family),
    }
}

fn body(admitted: &Admitted) -> Result<Vec<u8>, GatewayError> {
    let call = &admitted.call;
    let family = call.key.kind().family();
    let target = call.targets.first().ok_or_else(|| GatewayError::new(FaultKind::Internal, "nobody can be asked"))?;
    let listed = || listed(&target.provider).models;
    match call.key.operation() {
        Operation::CountTokens => {
            let body = call.content.json().map(Document::whole).unwrap_or_default();
            Ok(counted(&body, &target.model)?.written(family))
        }
        Operation::ListModels => {
            let page = Page::read(family, call.call.call.query.as_deref().unwrap_or_default());
            let (caller, provider) = (&call.call.caller, &target.provider.name);
            let seen = listed().into_iter().filter(|model| access::may_see(caller, provider, &model.id));
            Ok(page.cut(seen.collect()).written(family))
        }
        Operation::GetModel => {
            listed().into_iter().find(|model| model.id == *target.model).map(|model| model.written(family)).ok_or_else(|| {
                GatewayError::new(FaultKind::ModelNotFound, format!("provider {:?} has no model {:?}", target.provider.name, target.model))
                    .at("model")
            })
        }
        operation => Err(GatewayError::new(FaultKind::Unsupported, format!("{operation} cannot be answered by the gateway itself"))),
    }
}

/// The tokens of a request, by the model's own vocabulary where it is known, else by estimate.
fn counted(body: &[u8], model: &str) -> Result<count::Count, GatewayError> {
    let node = Node::parse(body).map_err(|fault| GatewayError::new(FaultKind::BadRequest, fault.to_string()))?;
    let mut words = Words::default();
    words.gather(node, DEEPEST);
    let text = Counter::of(model, None).count(words.text.iter().map(AsRef::as_ref));
    let all = text + Media::Image.count(words.media);
    let Count { tokens, exact } = all;
    Ok(count::Count::local(tokens, if exact { Origin::Counted } else { Origin::Estimated }))
}

/// The words of a request, whatever its dialect.
#[derive(Default)]
struct Words<'a> {
    text: Vec<std::borrow::Cow<'a, str>>,
    media: u64,
}

impl<'a> Words<'a> {
    fn gather(&mut self, node: Node<'a>, depth: usize) {
        if depth == 0 {
            return;
        }
        match node.shape() {
            Shape::Text => self.word(node),
            Shape::Array => node.array().into_iter().flatten().for_each(|element| self.gather(element, depth - 1)),
            Shape::Object => {
                for (name, value) in node.object().map(crate::protocol::json::Fields::rest).into_iter().flatten() {
                    if !SILENT.contains(&&*name) {
                        self.gather(value, depth - 1);
                    }
                }
            }
            Shape::Null | Shape::Bool | Shape::Number => {}
        }
    }

    fn word(&mut self, node: Node<'a>) {
        let Some(text) = node.text() else { return };
        if text.len() > LONGEST_WORD && !text.contains([' ', '\n']) {
            self.media += 1;
        } else {
            self.text.push(text);
        }
    }
}

/// The models of a provider's own list, for whoever gathers lists.
pub(super) fn listed(provider: &crate::snapshot::Provider) -> List {
    let models = provider
        .models
        .iter()
        .map(|model| Model { display_name: model.display_name.as_deref().map(str::to_owned), ..Model::named(&*model.id) });
    List { models: models.collect(), next: None }
}
