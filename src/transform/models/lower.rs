//! Models in each family's shape, as strict as the families' own clients read them.

use super::{List, Model};
use crate::{
    protocol::{
        Family,
        json::{ObjectWriter, object},
    },
    transform::time,
};

/// One model.
pub(super) fn model(family: Family, model: &Model) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    object(&mut out, |o| members(family, model, o));
    out
}

/// A list of models with its family's paging members.
pub(super) fn list(family: Family, list: &List) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 * (list.models.len() + 1));
    object(&mut out, |o| match family {
        Family::OpenAi => {
            o.text("object", "list");
            entries(family, "data", &list.models, o);
            // OpenAI's own list has one page. The names are those of its other lists.
            if let Some(next) = &list.next {
                o.bool("has_more", true).text("last_id", next);
            }
        }
        Family::Claude => {
            entries(family, "data", &list.models, o);
            let id = |model: Option<&Model>| model.map(|model| model.id.clone());
            // Clients ask for the next page with `last_id`, whatever it holds.
            let last = list.next.clone().or_else(|| id(list.models.last()));
            o.text_or_null("first_id", id(list.models.first()).as_deref());
            o.bool("has_more", list.next.is_some()).text_or_null("last_id", last.as_deref());
        }
        Family::Gemini => {
            entries(family, "models", &list.models, o);
            o.some_text("nextPageToken", list.next.as_deref());
        }
    });
    out
}

fn entries(family: Family, name: &str, models: &[Model], o: &mut ObjectWriter<'_>) {
    o.array(name, |a| {
        for model in models {
            a.object(|o| members(family, model, o));
        }
    });
}

fn members(family: Family, model: &Model, o: &mut ObjectWriter<'_>) {
    match family {
        Family::OpenAi => openai(model, o),
        Family::Claude => claude(model, o),
        Family::Gemini => gemini(model, o),
    }
    if model.of == Some(family) {
        for (name, json) in &model.rest {
            o.raw(name, json);
        }
    }
}

fn openai(model: &Model, o: &mut ObjectWriter<'_>) {
    o.text("id", &model.id).text("object", "model");
    o.unsigned("created", model.created.unwrap_or(0));
    o.text("owned_by", model.owner.as_deref().unwrap_or_else(|| owner(model)));
    o.some_text("display_name", model.display_name.as_deref()).some_text("description", model.description.as_deref());
    limit(o, "max_input_tokens", model.max_input_tokens);
    limit(o, "max_output_tokens", model.max_output_tokens);
    if model.of != Some(Family::OpenAi) {
        o.some_text("shutdown_date", model.retires.as_deref().map(|date| date.split('T').next().unwrap_or(date)));
    }
}

/// Whose a model is that does not say so: its family's house, as that house calls itself.
const fn owner(model: &Model) -> &'static str {
    match model.of {
        Some(Family::Claude) => "anthropic",
        Some(Family::Gemini) => "google",
        Some(Family::OpenAi) | None => "gproxy",
    }
}

fn claude(model: &Model, o: &mut ObjectWriter<'_>) {
    o.text("type", "model").text("id", &model.id);
    o.text("display_name", model.display_name.as_deref().unwrap_or(&model.id));
    // "May be set to an epoch value if the release date is unknown."
    o.text("created_at", &time::written(model.created.unwrap_or(0)));
    limit_or_null(o, "max_input_tokens", model.max_input_tokens);
    limit_or_null(o, "max_tokens", model.max_output_tokens);
    // What Anthropic says of its own model is written back with the rest.
    if model.of == Some(Family::Claude) {
        return;
    }
    let retires = model.retires.as_deref().and_then(time::read).map(time::written);
    // A model that is listed is there to be used: what is announced to go is `deprecated`, nothing is `retired`.
    o.text("lifecycle", if model.retires.is_some() { "deprecated" } else { "active" });
    o.text_or_null("retires_at", retires.as_deref()).null("deprecated_at").null("line").null("capabilities");
}

fn gemini(model: &Model, o: &mut ObjectWriter<'_>) {
    o.text("name", &format!("models/{}", model.id));
    o.text("displayName", model.display_name.as_deref().unwrap_or(&model.id));
    o.some_text("description", model.description.as_deref());
    limit(o, "inputTokenLimit", model.max_input_tokens);
    limit(o, "outputTokenLimit", model.max_output_tokens);
    o.array("supportedGenerationMethods", |a| {
        for method in methods(&model.id).iter().filter(|_| model.methods.is_empty()) {
            a.text(method);
        }
        for method in &model.methods {
            a.text(method);
        }
    });
}

/// What can be done with a model whose provider does not tell: its id does.
fn methods(id: &str) -> &'static [&'static str] {
    if id.contains("embed") { &["embedContent", "batchEmbedContents", "countTokens"] } else { &["generateContent", "countTokens"] }
}

fn limit(o: &mut ObjectWriter<'_>, name: &str, limit: Option<u64>) {
    if let Some(limit) = limit {
        o.unsigned(name, limit);
    }
}

fn limit_or_null(o: &mut ObjectWriter<'_>, name: &str, value: Option<u64>) {
    match value {
        Some(_) => limit(o, name, value),
        None => {
            o.null(name);
        }
    }
}
