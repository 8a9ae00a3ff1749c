//! Models out of each family's shape. Lenient: the many that follow OpenAI say limits under names of their own.

use super::{List, Model};
use crate::{
    protocol::{
        Family,
        json::{Fields, Node, WrongShape},
    },
    transform::time,
};

/// Other names of the prompt's limit, in the words of those that follow OpenAI.
const INPUT: [&str; 4] = ["context_length", "context_window", "max_context_length", "max_model_len"];
/// Other names of the answer's limit.
const OUTPUT: [&str; 1] = ["max_completion_tokens"];

/// What a family calls the member with the models.
pub(super) const fn list_name(family: Family) -> &'static str {
    match family {
        Family::OpenAi | Family::Claude => "data",
        Family::Gemini => "models",
    }
}

/// A list of models.
pub(super) fn list(family: Family, body: Node<'_>) -> Result<List, WrongShape> {
    let name = list_name(family);
    // Some that follow OpenAI answer with the bare array.
    if let Some(bare) = body.array() {
        return Ok(List { models: models(family, &bare), next: None });
    }
    let mut fields = body.members()?;
    let found = match fields.array(name)? {
        Some(found) => found,
        // Google's publishers' list, before it is put into Gemini's shape; an empty list has no member at all.
        None if family == Family::Gemini => fields.array("publisherModels")?.unwrap_or_default(),
        None => return Err(WrongShape::missing(name, "an array of models")),
    };
    let models = models(family, &found);
    let next = match family {
        Family::Gemini => fields.text("nextPageToken")?.filter(|token| !token.is_empty()).map(String::from),
        Family::OpenAi | Family::Claude => {
            let more = fields.bool("has_more").ok().flatten().unwrap_or(false);
            let last = fields.text("last_id").ok().flatten().map(String::from);
            last.or_else(|| models.last().map(|model| model.id.clone())).filter(|_| more)
        }
    };
    Ok(List { models, next })
}

fn models(family: Family, found: &[Node<'_>]) -> Vec<Model> {
    found.iter().filter_map(|entry| model(family, *entry).ok()).collect()
}

/// One model.
pub(super) fn model(family: Family, body: Node<'_>) -> Result<Model, WrongShape> {
    let mut fields = body.members()?;
    let mut model = match family {
        Family::OpenAi => openai(&mut fields)?,
        Family::Claude => claude(&mut fields)?,
        Family::Gemini => gemini(&mut fields)?,
    };
    if model.id.is_empty() {
        return Err(WrongShape::new(if family == Family::Gemini { "name" } else { "id" }, "empty", "the model's id"));
    }
    model.of = Some(family);
    model.rest = fields.rest().into_iter().map(|(name, value)| (name.into_owned(), value.raw().to_owned())).collect();
    Ok(model)
}

fn openai(fields: &mut Fields<'_>) -> Result<Model, WrongShape> {
    let id = bare(&fields.required_text("id")?);
    // Constants, and `null`s that say nothing.
    fields.take("object");
    Ok(Model {
        id,
        display_name: words(fields, "display_name").or_else(|| seen(fields, "name")),
        description: words(fields, "description"),
        created: fields.take("created").and_then(Node::number).filter(|unix| *unix >= 0.0).map(seconds),
        owner: words(fields, "owned_by"),
        max_input_tokens: limit(fields, "max_input_tokens").or_else(|| other_limit(fields, &INPUT)),
        max_output_tokens: limit(fields, "max_output_tokens").or_else(|| other_limit(fields, &OUTPUT)).or_else(|| provider_limit(fields)),
        retires: seen(fields, "shutdown_date"),
        ..Model::default()
    })
}

/// The answer's limit where a router tells that of the provider behind it; the member itself stays.
fn provider_limit(fields: &Fields<'_>) -> Option<u64> {
    fields.peek("top_provider")?.object()?.peek("max_completion_tokens")?.unsigned()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; a date beyond the type is its largest")]
fn seconds(unix: f64) -> u64 {
    unix as u64
}

fn claude(fields: &mut Fields<'_>) -> Result<Model, WrongShape> {
    let id = fields.required_text("id")?.into_owned();
    fields.take("type");
    Ok(Model {
        id,
        display_name: words(fields, "display_name"),
        created: words(fields, "created_at").and_then(|text| time::read(&text)).filter(|unix| *unix > 0),
        max_input_tokens: limit(fields, "max_input_tokens"),
        max_output_tokens: limit(fields, "max_tokens"),
        retires: seen(fields, "retires_at"),
        ..Model::default()
    })
}

fn gemini(fields: &mut Fields<'_>) -> Result<Model, WrongShape> {
    let id = bare(&fields.required_text("name")?);
    let methods = fields.take("supportedGenerationMethods").or_else(|| fields.take("supportedActions")).and_then(Node::array);
    Ok(Model {
        id,
        display_name: words(fields, "displayName"),
        description: words(fields, "description"),
        max_input_tokens: limit(fields, "inputTokenLimit"),
        max_output_tokens: limit(fields, "outputTokenLimit"),
        methods: methods.unwrap_or_default().into_iter().filter_map(Node::text).map(String::from).collect(),
        ..Model::default()
    })
}

/// Google writes `models/{id}`, also in the list that it shows in OpenAI's shape, and `publishers/google/models/{id}`.
fn bare(id: &str) -> String {
    id.strip_prefix("publishers/google/").unwrap_or(id).strip_prefix("models/").unwrap_or(id).to_owned()
}

/// A text, where it is one and says something.
fn words(fields: &mut Fields<'_>, name: &str) -> Option<String> {
    fields.some(name).and_then(Node::text).filter(|text| !text.is_empty()).map(String::from)
}

/// The same of a member that stays where it is.
fn seen(fields: &Fields<'_>, name: &str) -> Option<String> {
    fields.peek_text(name).filter(|text| !text.is_empty()).map(String::from)
}

/// A number above zero.
fn limit(fields: &mut Fields<'_>, name: &str) -> Option<u64> {
    fields.take(name).and_then(Node::unsigned).filter(|limit| *limit > 0)
}

/// The first of some members that holds a number above zero; they stay where they are.
fn other_limit(fields: &Fields<'_>, names: &[&str]) -> Option<u64> {
    names.iter().filter_map(|name| fields.peek(name)).find_map(|value| value.unsigned().filter(|limit| *limit > 0))
}
